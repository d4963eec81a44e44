"""What Ansible reads: its inventory, the playbook that rolls out, and the one that migrates.

All three are serialised, never templated.
"""

from __future__ import annotations

import yaml

from backupspec.fleet import Fleet
from backupspec.plan.migrate_playbook import VARIABLES, migration
from backupspec.plan.places import notice
from backupspec.plan.types import PlannedFile

_SSH_PORT = 22


def ansible(fleet: Fleet) -> tuple[PlannedFile, ...]:
    """Plan the Ansible inventory and the playbooks; where no server is known, there is nothing to migrate on."""
    servers = {server.name for server in fleet.servers}
    retired = {item.name for item in fleet.retired}
    addresses = {host.name: host.address for host in fleet.hosts} | {
        server.name: server.address for server in fleet.servers
    }

    ports = {server.name: server.port for server in fleet.servers if server.port != _SSH_PORT}

    def variables(name: str) -> dict[str, object]:
        said = {"ansible_host": addresses.get(name), "ansible_port": ports.get(name)}
        return {key: value for key, value in said.items() if value is not None}

    def group(names: set[str]) -> dict[str, object]:
        return {"hosts": {name: variables(name) for name in sorted(names)}}

    inventory = {
        "all": {
            "children": {
                "backupspec_servers": group(servers),
                "backupspec_hosts": group({host.name for host in fleet.hosts} - servers),
                "backupspec_retired": group(retired - servers),
            },
            "vars": {
                "backupspec_staging": "/var/lib/backupspec-apply/tree",
                "backupspec_apply_arguments": [],
                **(VARIABLES if servers else {}),
            },
        }
    }
    plays = [
        _play("Servers first: hosts log in to them", "backupspec_servers"),
        _play("Then the hosts, and those given up", "backupspec_hosts:backupspec_retired"),
    ]
    files = [("inventory", inventory), ("playbook", plays), *((("migrate", migration()),) if servers else ())]
    return tuple(
        PlannedFile(f"ansible/{name}.yml", 0o644, "root:root", "", _yaml(value), "fleet", fleet.span)
        for name, value in files
    )


def _play(name: str, hosts: str) -> dict[str, object]:
    """Give one play."""
    return {
        "name": name,
        "hosts": hosts,
        "become": True,
        "gather_facts": False,
        "tasks": [
            {
                "name": "With --check, only see that the machine is there: what changes is known to `apply` alone",
                "ansible.builtin.ping": {},
                "when": "ansible_check_mode",
            },
            {"name": "Roll out", "when": "not ansible_check_mode", "block": _rollout()},
        ],
    }


def _rollout() -> list[dict[str, object]]:
    """Give the tasks. The tree travels as one archive: file by file, each would take a round trip or two."""
    staging = "{{ backupspec_staging }}"
    archive = "{{ backupspec_archive.path }}"
    tree = "{{ playbook_dir }}/../hosts/{{ inventory_hostname }}"
    here = {"delegate_to": "localhost", "become": False, "changed_when": False}
    return [
        {
            "name": "Find a place for an archive, on this side",
            "ansible.builtin.tempfile": {"prefix": "backupspec-", "suffix": ".tar"},
            "register": "backupspec_archive",
            **here,
        },
        {
            "name": "Pack the machine's tree",
            "ansible.builtin.command": {"argv": ["tar", "-c", "-f", archive, "-C", tree, "."]},
            **here,
        },
        {
            "name": "Clear what an earlier rollout left",
            "ansible.builtin.file": {"path": staging, "state": "absent"},
            "changed_when": False,
        },
        {
            "name": "Make the folder",
            "ansible.builtin.file": {"path": staging, "state": "directory", "mode": "0700"},
            "changed_when": False,
        },
        {
            "name": "Unpack the tree there",
            "ansible.builtin.unarchive": {"src": archive, "dest": staging, "owner": "root", "group": "root"},
            "changed_when": False,
        },
        {
            "name": "Remove the archive",
            "ansible.builtin.file": {"path": archive, "state": "absent"},
            **here,
        },
        {
            "name": "Put it in place",
            "ansible.builtin.command": {"argv": "{{ [backupspec_staging ~ '/apply'] + backupspec_apply_arguments }}"},
            "register": "backupspec_applied",
            "changed_when": "': 0 files changed' not in backupspec_applied.stdout",
        },
        {"name": "Say what it said", "ansible.builtin.debug": {"var": "backupspec_applied.stdout_lines"}},
    ]


def _yaml(value: object) -> str:
    return (
        "# "
        + notice("the whole inventory").text
        + "\n"
        + str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120))
    )

"""The playbook that migrates on every server: plan, run, verify, report, each server on its own.

A run may take days. It is started apart from the connection, and a lock on the server makes the next playbook wait
for it: when the connection is lost, the run goes on, and the same playbook again picks up what it did.
"""

from __future__ import annotations

Task = dict[str, object]

VARIABLES: dict[str, object] = {
    "backupspec_program": "backupspec",
    "backupspec_source": "/etc/rsnapshot.conf",
    "backupspec_plan_arguments": [],
    "backupspec_run_arguments": [],
    "backupspec_migration": "migration",
    "backupspec_work": "/var/lib/backupspec-migrate/playbook",
    "backupspec_poll": 20,
}
"""What somebody may set for all servers or for one, and what it is otherwise."""

_LONGEST = 30 * 86_400  # seconds
_LOCAL: Task = {"delegate_to": "localhost", "become": False, "changed_when": False}
_PLAN = "{{ backupspec_work }}/plan.yaml"
_PLAN_HERE = "{{ backupspec_here }}/plan.yaml"
_PLANNED_BEFORE = "(backupspec_here ~ '/plan.yaml') is file"


def migration() -> list[Task]:
    """Give the plays. Only `--tags plan` stops after the plans have been made and brought here."""
    return [
        {
            "name": "Migrate what rsnapshot keeps on each server",
            "hosts": "backupspec_servers",
            "become": True,
            "gather_facts": False,
            "strategy": "ansible.builtin.free",
            "any_errors_fatal": False,
            "environment": {"LC_ALL": "C.UTF-8"},
            "vars": {
                "ansible_ssh_retries": 10,
                "backupspec_here": _here("backupspec_migration", "inventory_hostname"),
                "backupspec_site": _here("backupspec_inventory"),
            },
            "tasks": [
                {
                    "name": "With --check, only see that the machine is there",
                    "ansible.builtin.ping": {},
                    "when": "ansible_check_mode",
                },
                {
                    "name": "Forget the report of an earlier run",
                    "ansible.builtin.file": {"path": "{{ backupspec_here }}/{{ item }}", "state": "absent"},
                    "loop": ["report.json", "report.html"],
                    "when": "not ansible_check_mode",
                    **_LOCAL,
                },
                {
                    "name": "Plan",
                    "when": "not ansible_check_mode",
                    "tags": ["plan"],
                    "block": [*_asked(), *_there(), *_inventory(), *_plan()],
                },
                {
                    "name": "Do what the plan says",
                    "when": "not ansible_check_mode",
                    "block": [_long("run", "backupspec_run_arguments"), _long("verify", "['--resume']")],
                    "always": _report(),
                },
            ],
        },
        {
            "name": "Say of which servers the old tree may go",
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "tasks": [_verdict()],
        },
    ]


def _here(place: str, name: str | None = None) -> str:
    """Give the path on this side that a variable says; a relative one counts from where ansible-playbook was called."""
    folder = f"{{{{ {place} | expanduser | realpath }}}}"
    return folder if name is None else f"{folder}/{{{{ {name} }}}}"


def _asked() -> list[Task]:
    """Give the tasks that look at what was said on the command line; they need no connection."""
    return [
        {
            "name": "Know where the inventory is",
            "ansible.builtin.assert": {
                "that": ["backupspec_inventory is defined", "(backupspec_site ~ '/inventory.yaml') is file"],
                "fail_msg": "Name the folder with inventory.yaml: -e backupspec_inventory=FOLDER",
                "quiet": True,
            },
        },
        {
            "name": "Have a folder for what comes back",
            "ansible.builtin.file": {"path": "{{ backupspec_here }}", "state": "directory", "mode": "0755"},
            **_LOCAL,
        },
    ]


def _there() -> list[Task]:
    """Give the tasks that see whether the server is ready."""
    return [
        {
            "name": "Ask for the program",
            "ansible.builtin.command": {"argv": ["{{ backupspec_program }}", "migrate", "--help"]},
            "register": "backupspec_asked",
            "changed_when": False,
            "failed_when": False,
        },
        {
            "name": "Have the program",
            "ansible.builtin.assert": {
                "that": ["backupspec_asked.rc == 0"],
                "fail_msg": (
                    "{{ backupspec_program }} does not run here. Install it on the server, as root: "
                    "PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin pipx install 'backupspec[migrate]'. "
                    "Or say where it is: -e backupspec_program=/FULL/PATH"
                ),
                "quiet": True,
            },
        },
        {
            "name": "Make the folder above",
            "ansible.builtin.file": {
                "path": "{{ backupspec_work | dirname }}",
                "state": "directory",
                "mode": "0755",
            },
            "changed_when": False,
        },
        {
            "name": "Make a folder for the plan",
            "ansible.builtin.file": {"path": "{{ backupspec_work }}", "state": "directory", "mode": "0700"},
            "changed_when": False,
        },
        {
            "name": "Wait for a run that went on when a connection was lost",
            "ansible.builtin.command": {"argv": ["flock", "{{ backupspec_work }}/lock", "true"]},
            "changed_when": False,
            **_apart(),
        },
    ]


def _inventory() -> list[Task]:
    """Give the tasks that bring the inventory to the server, without what was compiled from it."""
    archive = "{{ backupspec_archive.path }}"
    site = "{{ backupspec_work }}/inventory"
    compiled = "./{{ (playbook_dir ~ '/..') | realpath | relpath(backupspec_site) }}"
    pack = ["tar", "-c", "-f", archive, "--exclude-vcs", f"--exclude={compiled}", "-C", "{{ backupspec_site }}", "."]
    return [
        {
            "name": "Find a place for an archive, on this side",
            "ansible.builtin.tempfile": {"prefix": "backupspec-", "suffix": ".tar"},
            "register": "backupspec_archive",
            **_LOCAL,
        },
        {"name": "Pack the inventory", "ansible.builtin.command": {"argv": pack}, **_LOCAL},
        {
            "name": "Clear an earlier one",
            "ansible.builtin.file": {"path": site, "state": "absent"},
            "changed_when": False,
        },
        {
            "name": "Make the inventory's folder",
            "ansible.builtin.file": {"path": site, "state": "directory", "mode": "0700"},
            "changed_when": False,
        },
        {
            "name": "Unpack the inventory there",
            "ansible.builtin.unarchive": {"src": archive, "dest": site, "owner": "root", "group": "root"},
            "changed_when": False,
        },
        {
            "name": "Remove the archive",
            "ansible.builtin.file": {"path": archive, "state": "absent"},
            **_LOCAL,
        },
    ]


def _plan() -> list[Task]:
    """Give the tasks that take the plan which lies on this side, or make one and bring it here."""
    said = (
        "[backupspec_source, '--inventory', backupspec_work ~ '/inventory', '--output', backupspec_work ~ '/plan.yaml']"
    )
    return [
        {
            "name": "Take the plan that lies here",
            "ansible.builtin.copy": {"src": _PLAN_HERE, "dest": _PLAN, "mode": "0600"},
            "when": _PLANNED_BEFORE,
            "changed_when": False,
        },
        {
            "name": "Clear an earlier plan",
            "ansible.builtin.file": {"path": _PLAN, "state": "absent"},
            "when": f"not {_PLANNED_BEFORE}",
            "changed_when": False,
        },
        {
            "name": "Make a plan",
            "ansible.builtin.command": {
                "argv": f"{{{{ [backupspec_program, 'migrate', 'plan'] + {said} + backupspec_plan_arguments }}}}"
            },
            "when": f"not {_PLANNED_BEFORE}",
            "register": "backupspec_planned",
            "changed_when": False,
            "failed_when": False,
        },
        {
            "name": "Bring the plan here",
            "ansible.builtin.fetch": {"src": _PLAN, "dest": _PLAN_HERE, "flat": True, "fail_on_missing": False},
            "when": "backupspec_planned is not skipped",
            "changed_when": False,
        },
        {
            "name": "Have a plan without open questions",
            "ansible.builtin.assert": {
                "that": ["backupspec_planned.rc == 0"],
                "fail_msg": (
                    "{{ backupspec_planned.stderr | default('') }}\n"
                    "Decide in {{ backupspec_here }}/plan.yaml, if it is there, and run this playbook again; "
                    "remove that file to have a new plan made."
                ),
                "quiet": True,
            },
            "when": "backupspec_planned is not skipped",
        },
    ]


def _apart() -> Task:
    """Give what starts a task apart from the connection and asks for it now and then."""
    return {"async": _LONGEST, "poll": "{{ backupspec_poll }}"}


def _long(word: str, arguments: str) -> Task:
    lock = "['flock', backupspec_work ~ '/lock', backupspec_program, "
    return {
        "name": {"run": "Import", "verify": "Compare"}[word],
        "ansible.builtin.command": {
            "argv": f"{{{{ {lock}'migrate', '{word}', backupspec_work ~ '/plan.yaml'] + {arguments} }}}}"
        },
        "register": f"backupspec_{word}",
        "changed_when": "'nothing new' not in backupspec_run.stderr" if word == "run" else False,
        **_apart(),
    }


def _report() -> list[Task]:
    """Give the tasks that write the report, also of a run that failed, and bring it here."""
    return [
        {
            "name": "Report",
            "ansible.builtin.command": {"argv": ["{{ backupspec_program }}", "migrate", "report", _PLAN]},
            "register": "backupspec_reported",
            "changed_when": False,
            "failed_when": "backupspec_reported.rc not in [0, 1]",
        },
        {
            "name": "Bring the report here",
            "ansible.builtin.fetch": {
                "src": "{{ backupspec_work }}/plan.{{ item }}",
                "dest": "{{ backupspec_here }}/{{ item }}",
                "flat": True,
                "fail_on_missing": True,
            },
            "loop": ["report.json", "report.html"],
            "changed_when": False,
        },
        {
            "name": "Look for the lists of archives that a keeper is to accept",
            "ansible.builtin.find": {
                "paths": "{{ backupspec_work }}",
                "patterns": "*.ids",
                "recurse": True,
                "depth": 2,
            },
            "register": "backupspec_accepted",
            "changed_when": False,
        },
        {
            "name": "Bring the lists here",
            "ansible.builtin.fetch": {
                "src": "{{ item.path }}",
                "dest": "{{ backupspec_here }}/accepted/{{ item.path | basename }}",
                "flat": True,
            },
            "loop": "{{ backupspec_accepted.files }}",
            "loop_control": {"label": "{{ item.path | basename }}"},
            "changed_when": False,
        },
    ]


def _verdict() -> Task:
    """Give the task that says yes or no for each server that took part, and fails where it is no."""
    return {
        "name": "Is the old tree safe to retire?",
        "ansible.builtin.assert": {
            "that": ["verdict.safe"],
            "success_msg": "{{ item }}: yes, {{ verdict.because | join('; ') }} ({{ report.made_at | default('') }})",
            "fail_msg": "{{ item }}: no, {{ verdict.because | join('; ') }}",
            "quiet": False,
        },
        "vars": {
            "folder": _here("hostvars[item].backupspec_migration", "item"),
            "report": (
                "{{ lookup('ansible.builtin.file', folder ~ '/report.json') | from_json "
                "if (folder ~ '/report.json') is file else {} }}"
            ),
            "verdict": "{{ report.verdict | default({'safe': false, 'because': ['there is no report: see above']}) }}",
        },
        "loop": "{{ groups.backupspec_servers }}",
        "when": ["not ansible_check_mode", "folder is directory"],
    }

"""What the layers of an inventory mean together."""

from __future__ import annotations

import pytest

from backupspec.fleet import FilesJob

from .fleets import job, resolved

LAYERS = {
    "built-in default": "auto,zstd,3",
    "defaults": "zstd,1",
    "profile a": "zstd,2",
    "profile b": "zstd,4",
    "host": "zstd,5",
    "profile a, job www": "zstd,6",
    "profile b, job www": "zstd,7",
    "host, job www": "zstd,8",
}


@pytest.mark.parametrize("count", range(len(LAYERS)))
def test_the_last_layer_that_speaks_wins(count: int) -> None:
    speak = list(LAYERS)[1 : count + 1]

    def said(layer: str) -> str:
        return f"compression: '{LAYERS[layer]}'" if layer in speak else "to: [one]"

    www = job(f"""
        defaults: {{{said("defaults")}}}
        profiles:
          a: {{{said("profile a")}, files: {{www: {{{said("profile a, job www")}}}}}}}
          b: {{{said("profile b")}, files: {{www: {{{said("profile b, job www")}}}}}}}
        hosts:
          web:
            to: [one]
            profiles: [a, b]
            {said("host") if said("host") != "to: [one]" else "roaming: false"}
            files: {{www: {{paths: [/srv], {said("host, job www")}}}}}
        """)
    assert www.compression == list(LAYERS.values())[count]
    assert [origin.layer for name, _, origin in www.origins if name == "compression"] == [list(LAYERS)[count]]


def test_lists_add_up_and_remove_takes_away_what_came_before() -> None:
    www = job("""
        defaults: {exclude: ["**/*.o", "**/*.pyc"]}
        profiles: {p: {remove: {exclude: ["**/*.o"]}, files: {www: {paths: [/srv/a], exclude: ["**/x"]}}}}
        hosts: {web: {to: [one], profiles: [p], files: {www: {paths: [/srv/b], exclude: ["**/*.o"]}}}}
        """)
    assert www.paths == ("/srv/a", "/srv/b")
    assert www.exclude == ("**/*.o", "**/*.pyc", "**/x")


def test_an_entry_of_to_has_the_last_word_for_its_repository_alone() -> None:
    www = job("""
        hosts:
          web:
            schedule: night
            retention: short
            files: {www: {paths: [/srv], to: {one: {}, two: {schedule: day, retention: long}}}}
        """)
    one, two = www.targets
    assert (one.retention.daily, two.retention.daily) == (3, 30)
    assert [str(item.schedule.window) for item in www.targets] == ["01:00-05:00", "09:00-17:00"]


def test_to_replaces_and_remove_to_thins_it_out() -> None:
    www = job("""
        profiles: {p: {to: [one, two]}, q: {remove: {to: [two]}}}
        hosts: {web: {profiles: [p, q], files: {www: {paths: [/srv]}}}}
        """)
    assert [target.repository.name for target in www.targets] == ["one"]


def test_off_drops_a_profile_s_job_and_a_later_layer_may_bring_it_back() -> None:
    fleet, _ = resolved("""
        profiles: {p: {to: [one], files: {www: {paths: [/srv]}, etc: {paths: [/etc]}}}}
        hosts:
          web: {profiles: [p], files: {www: "off"}}
          app: {profiles: [p], files: {etc: "off", www: {paths: [/opt]}}}
        """)
    assert {host.name: [each.name for each in host.jobs] for host in fleet.hosts} == {"web": ["etc"], "app": ["www"]}


def test_the_deeper_path_wins() -> None:
    body = """
        hosts:
          web:
            to: [one]
            files:
              all: {paths: [/srv]}
              some: {paths: [/srv/data], optional_paths: [/srv/more]}
              deep: {paths: [/srv/data/deep]}
        """
    assert job(body, name="all").inner == ("/srv/data", "/srv/data/deep", "/srv/more")
    assert job(body, name="some").inner == ("/srv/data/deep",)
    assert job(body, name="deep").inner == ()


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEbwYtKJRj5yql3SlQf8pontmyKOROV4e3iyua3iiiNh"
SERVER = f"""
servers: {{bkp: {{address: 192.0.2.10, host_key: "{KEY}", storage: {{path: /b}}}}}}
"""


def on_server(repository: str, host: str) -> FilesJob:
    """Give the job of a host that writes to the repository `far`, declared as said, on a server."""
    body = SERVER + f"hosts: {{web: {{to: [far], files: {{www: {{paths: [/srv]}}}}, {host}}}}}"
    return job(body, repository=repository)


def test_a_renamed_host_keeps_its_first_name_s_repository_and_thins_out_both_series() -> None:
    www = on_server("{server: bkp}", "formerly: [www.old, older]")
    repository = www.targets[0].repository
    assert (repository.path, repository.account) == ("/b/www.old/far", "bs-www-old")
    assert www.series == ("web", "www.old", "older")


def test_a_repository_of_the_fleet_has_one_folder_one_account_and_a_passphrase_that_nobody_makes_up() -> None:
    repository = on_server("{server: bkp, per: fleet}", "roaming: false").targets[0].repository
    assert (repository.path, repository.account) == ("/b/_fleet/far", "bs-fleet-far")
    assert (repository.credential, repository.credential_generated) == ("passphrase-far", False)

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backupspec.diagnostic import Span
from backupspec.diff import Changes, Style, counted, diff, findings, lines
from backupspec.pipeline import compile_inventory
from backupspec.plan.facts import facts
from backupspec.tree import File, Tree

ROOT = Path(__file__).parents[2]
PLACE = Span("inventory.yaml", 1, 1, 1, 1)


def file(path: str, text: str = "", mode: int = 0o644, owner: str = "root:root", line: int = 1) -> File:
    return File(path, mode, owner, text, "hosts", Span("inventory.yaml", line, 1, line, 1))


def tree(*files: File, **facts: object) -> Tree:
    return Tree(files, tuple(sorted(facts)), tuple((host, json.dumps(fact)) for host, fact in sorted(facts.items())))


def told(changes: Changes) -> list[str]:
    return [line for _, line in lines(changes)]


def meanings(old: object, new: object, kind: str = "target", subject: str = "www_central") -> list[tuple[str, bool]]:
    changes = diff(tree(web01={kind: {subject: old}}), tree(web01={kind: {subject: new}}))
    return [(meaning.text, meaning.loss) for meaning in changes.meanings]


def test_equal_trees_do_not_differ_whatever_line_they_come_from() -> None:
    assert diff(tree(file("a", "x", line=1)), tree(file("a", "x", line=9))) == Changes()


def test_files_are_shown_host_by_host_and_common_ones_last() -> None:
    old = tree(
        file("README.md", "one host\n"),
        file("hosts/web01/apply", "a\nb\nc\n", 0o644),
        file("hosts/web01/root/old", "gone\n"),
        web01={},
    )
    new = tree(
        file("README.md", "two hosts\n"),
        file("hosts/db01/apply", "new\n"),
        file("hosts/web01/apply", "a\nB\nc\n", 0o755, "root:backupspec"),
        db01={},
        web01={},
    )
    assert told(diff(old, new)) == [
        "db01: 1 added",
        "  new in the inventory",
        "--- /dev/null",
        "+++ hosts/db01/apply",
        "@@ -0,0 +1 @@",
        "+new",
        "web01: 1 changed, 1 removed",
        "--- hosts/web01/apply",
        "+++ hosts/web01/apply",
        "mode 0644 -> 0755",
        "owner root:root -> root:backupspec",
        "@@ -1,3 +1,3 @@",
        " a",
        "-b",
        "+B",
        " c",
        "--- hosts/web01/root/old",
        "+++ /dev/null",
        "@@ -1 +0,0 @@",
        "-gone",
        "all hosts: 1 changed",
        "--- README.md",
        "+++ README.md",
        "@@ -1 +1 @@",
        "-one host",
        "+two hosts",
    ]


def test_the_manifest_is_named_and_not_shown() -> None:
    shown = told(diff(tree(file("manifest.json", "a" * 64)), tree(file("manifest.json", "b" * 64))))
    assert shown == ["all hosts: 1 changed", "    manifest.json is changed (hashes and summaries of the above)"]


def test_no_text_of_a_file_reaches_the_terminal_as_a_control_character() -> None:
    shown = told(diff(tree(), tree(file("a", "tab\tred\x1b[31m\u2028\udcff bell\x07\n"))))
    assert shown[-1] == "+tab\tred\\x1b[31m\\u2028\\udcff bell\\x07"


def test_a_missing_line_feed_at_the_end_is_told() -> None:
    assert told(diff(tree(file("a", "x")), tree(file("a", "x\n"))))[-1] == "the end of the last line differs"


@pytest.mark.parametrize(
    ("old", "new", "text", "loss"),
    [
        ({"daily": 7}, {"daily": 3}, "gets shorter on web01 (www → central): daily 7 → 3", True),
        ({"daily": 7}, {"daily": 9}, "gets longer on web01 (www → central): daily 7 → 9", False),
        ({"daily": 7, "weekly": 4}, {"daily": 7}, "gets shorter on web01 (www → central): weekly 4 → none", True),
        (
            {"daily": 7, "weekly": 4},
            {"daily": 3, "weekly": 9},
            "changes on web01 (www → central): daily 7 → 3, weekly 4 → 9",
            True,
        ),
        (
            {"daily": 7},
            {"forever": True},
            "gets longer on web01 (www → central): forever none → true, daily 7 → none",
            False,
        ),
        (
            {"forever": True},
            {"daily": 7},
            "gets shorter on web01 (www → central): forever true → none, daily none → 7",
            True,
        ),
        ({"within": "2w"}, {"within": "13d"}, "gets shorter on web01 (www → central): within 2w → 13d", True),
        ({"within": "30d"}, {"within": "2y"}, "gets longer on web01 (www → central): within 30d → 2y", False),
    ],
)
def test_retention_says_which_way_it_goes(old: dict[str, int], new: dict[str, int], text: str, *, loss: bool) -> None:
    assert meanings({"retention": old}, {"retention": new}) == [(f"retention {text}", loss)]


@pytest.mark.parametrize(
    ("kind", "old", "new", "told"),
    [
        ("target", {"schedule": "daily"}, {"schedule": "hourly"}, [("schedule of it: daily → hourly", False)]),
        (
            "job",
            {"paths": ["/srv", "/etc"]},
            {"paths": ["/srv", "/opt"]},
            [("it of web01 now backs up /opt", False), ("it of web01 no longer backs up /etc", True)],
        ),
        ("job", {}, {"exclude": ["**/x"]}, [("it of web01 now leaves out **/x", True)]),
        (
            "job",
            {"one_file_system": True},
            {},
            [("it of web01 now goes into file systems mounted below its paths", False)],
        ),
        ("job", {}, {"snapshot": "btrfs"}, [("it of web01 now reads from a snapshot (btrfs)", False)]),
        (
            "job",
            {"snapshot": "lvm", "snapshot_space": 2},
            {"snapshot_space": 1},
            [
                ("it of web01 no longer reads from a snapshot (lvm)", True),
                ("snapshots for it on web01 may take 1 bytes, no longer 2", False),
            ],
        ),
        (
            "job",
            {"before": ["dump (as root)"]},
            {"before": ["dump (as backupspec)"]},
            [
                ("it of web01 has a new hook before it: dump (as backupspec)", False),
                ("it of web01 has no hook before it any more: dump (as root)", True),
            ],
        ),
        (
            "repository",
            {"encryption": "repokey-blake2"},
            {"encryption": "none"},
            [("encryption of it changes from repokey-blake2 to none: repositories that exist keep theirs", True)],
        ),
        (
            "repository",
            {"append_only": True},
            {},
            [("it is not append-only any more: web01 may delete what is in it", True)],
        ),
        ("repository", {"quota": 3 * 10**11}, {}, [("quota of it for web01: 300 GB → none", False)]),
        ("repository", {}, {"quota": 5 * 10**8}, [("quota of it for web01: none → 0.5 GB", True)]),
        (
            "repository",
            {"quota": 2 * 10**12},
            {"quota": 15 * 10**11},
            [("quota of it for web01: 2,000 GB → 1,500 GB", True)],
        ),
        ("host", {"alerts": ["a@b"]}, {}, [("failures on web01 are no longer reported to a@b", True)]),
        ("host", {}, {"quiet": "07:00-09:00 (UTC)"}, [("quiet hours of web01: none → 07:00-09:00 (UTC)", False)]),
        (
            "server",
            {"host_key": "ssh-ed25519 A"},
            {"host_key": "ssh-ed25519 B"},
            [("host key of it changes: hosts trust the new one only", False)],
        ),
        ("databases", {"accounts": ["roles"]}, {}, [("it of web01 no longer dumps roles", True)]),
        (
            "databases",
            {"keep_vanished": 26 * 7 * 86400},
            {"keep_vanished": 86400},
            [("archives of databases of it that are gone live 1d, no longer 26w", True)],
        ),
        ("server", {"colour": "red"}, {"colour": "blue"}, []),
        ("weather", {"rain": 1}, {"rain": 2}, []),
    ],
)
def test_what_matters_to_backups_is_said_in_a_sentence_each(
    kind: str, old: object, new: object, told: list[tuple[str, bool]]
) -> None:
    assert meanings(old, new, kind, "it") == told


def test_what_is_no_longer_dumped_with_the_databases_is_a_fact(tmp_path: Path) -> None:
    told = []
    for accounts in ("", ", accounts: none"):
        text = f"hosts: {{db: {{to: [l], databases: {{wiki: {{kind: postgresql{accounts}}}}}}}}}"
        (tmp_path / "inventory.yaml").write_text(f"version: 1\nfleet: f\nrepositories: {{l: {{path: /b}}}}\n{text}\n")
        run = compile_inventory(tmp_path)
        assert run.tree is not None, run.diagnostics
        told.append(run.tree)
    assert [meaning.text for meaning in diff(*told).meanings] == ["wiki of db no longer dumps roles"]


def test_every_fact_that_is_compiled_can_be_told() -> None:
    run = compile_inventory(ROOT / "inventories/infra4")
    assert run.fleet is not None
    known = {
        (kind, fact)
        for _, text in facts(run.fleet)
        for kind, subjects in json.loads(text).items()
        for subject in subjects.values()
        for fact in subject
    }
    kinds = {"databases", "host", "job", "machine", "snapshots", "target", "repository", "server"}
    assert {kind for kind, _ in known} == kinds
    for kind, fact in known - {("target", "retention"), ("snapshots", "retention")}:
        assert len(meanings({fact: "a"}, {fact: "b"}, kind)) in {1, 2}, (kind, fact)


@pytest.mark.parametrize(
    "old", [{"www_central": {"retention": {"daily": 7}}}, {"target": 1}, {"target": {"www_central": 1}}]
)
def test_the_facts_of_another_version_do_no_harm(old: object) -> None:
    diff(tree(web01=old), tree(web01={"target": {"www_central": {"retention": {"daily": 7}}}}))


def test_jobs_and_hosts_that_come_and_go_are_told() -> None:
    old = tree(gone={}, web01={"target": {"a_central": {}, "b_central": {}}}, www={})
    new = tree(
        web01={"target": {"b_central": {}, "c_local": {}}}, young={}, www1={"host": {"www1": {"formerly": ["www"]}}}
    )
    assert [(each.host, each.text, each.loss) for each in diff(old, new).meanings] == [
        ("gone", "vanishes from the inventory; its timers keep running on the machine", True),
        ("web01", "job a → central is given up: no new archives are made", True),
        ("web01", "job c → local is new", False),
        ("www", "is called www1 now, which takes over its archives", False),
        ("www1", "new in the inventory", False),
        ("young", "new in the inventory", False),
    ]


def test_snapshots_that_come_and_go_are_told() -> None:
    """They are no backup, and what is in the images stays there."""
    old = tree(kvm={"snapshots": {"a": {"domain": "x", "retention": {"daily": 3}}, "b": {"domain": "y"}}})
    new = tree(kvm={"snapshots": {"a": {"domain": "z", "retention": {"daily": 2}}, "c": {"domain": "y"}}})
    assert [(each.text, each.loss) for each in diff(old, new).meanings] == [
        ("a of kvm takes snapshots of the virtual machine z, no longer of x", True),
        ("retention gets shorter on kvm (a): daily 3 → 2", True),
        ("b takes no more snapshots; those that exist stay in the images until they are deleted", True),
        ("c takes snapshots, which are no backup", False),
    ]


def test_virtual_machines_that_come_and_go_are_told() -> None:
    """Those that are left to their guest have no job that would tell; a new name begins archives of its own."""
    one, other = {"domain": "m", "method": "guest mail"}, {"domain": "n", "method": "guest news"}
    old = {"a": {"domain": "x", "method": "pull"}, "b": {"domain": "y"}, "m": one, "n": other}
    new = {"c": {"domain": "x", "method": "pull"}, "b": {"domain": "z"}, "o": other}
    told = diff(tree(kvm={"machine": old}), tree(kvm={"machine": new})).meanings
    assert [(each.text, each.loss) for each in told] == [
        ("a of kvm is called c now: all archives of x begin anew, and nothing thins out those of a", True),
        (
            "b of kvm reads the virtual machine z, no longer y: all that is not in the repository is stored anew",
            True,
        ),
        ("m of kvm is given up: nothing says any more that the virtual machine m backs itself up", True),
        ("o of kvm: the virtual machine n is left to its guest news", False),
    ]


def test_what_a_backup_reads_is_told() -> None:
    """Whole disks each time, or now and then."""
    pull = {"method": "pull", "full_every": "each time", "chunk_size": 1048576}
    changes = {"method": "incremental", "full_every": "every 4w", "chunk_size": 262144}
    told = diff(tree(kvm={"machine": {"a": pull}}), tree(kvm={"machine": {"a": changes}})).meanings
    assert [(each.text, each.loss) for each in told] == [
        ("chunk size of a on kvm: 1048576 → 262144 bytes; the next backup stores every disk once more", True),
        ("a of kvm reads all of its disks every 4w, no longer each time", False),
        ("a of kvm is backed up by incremental, no longer by pull", True),
    ]


def test_a_host_that_just_vanishes_is_a_warning_with_its_path() -> None:
    (found,) = findings(("web01",), (), PLACE)
    assert (found.code, found.severity.label, found.where, found.span) == ("BS510", "warning", "hosts.web01", PLACE)
    assert "retired: [web01]" in found.hint
    assert "formerly: [web01]" in found.hint


@pytest.mark.parametrize(
    ("vanished", "appeared", "guessed"),
    [(("web",), ("www",), True), (("web", "db"), ("www",), False), (("web",), ("www", "db"), False)],
)
def test_a_new_name_is_guessed_where_one_host_goes_and_one_comes(
    vanished: tuple[str, ...], appeared: tuple[str, ...], *, guessed: bool
) -> None:
    hints = [found.hint for found in findings(vanished, appeared, PLACE)]
    assert all(("in www," in hint) == guessed for hint in hints)


def test_without_texts_only_numbers_and_meanings_are_shown() -> None:
    changes = diff(tree(file("hosts/a/x", "1"), a={}, b={}), tree(file("hosts/a/x", "2"), a={}, b={}))
    assert [text for _, text in lines(changes, texts=False)] == ["a: 1 changed"]
    assert changes.of({"b"}) == Changes()


def test_each_line_knows_its_style() -> None:
    changes = diff(
        tree(file("hosts/web01/a", "x\n"), web01={"target": {"a_b": {"retention": {"daily": 2}}}}),
        tree(file("hosts/web01/a", "y\n"), web01={"target": {"a_b": {"retention": {"daily": 1}}}}),
    )
    assert [style for style, _ in lines(changes)] == [
        Style.HEADING,
        Style.LOSS,
        Style.FILE,
        Style.FILE,
        Style.PLACE,
        Style.MINUS,
        Style.PLUS,
    ]


def test_numbers_are_counted_as_people_read_them() -> None:
    changes = diff(tree(file("a", "x"), file("b")), tree(file("a", "y"), file("c"), file("d")))
    assert counted(changes.files) == "1 changed, 2 added, 1 removed"
    assert counted(()) == "no file changed"

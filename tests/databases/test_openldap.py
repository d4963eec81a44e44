"""OpenLDAP, for real: the compiled job against a slapd with several directories."""

from __future__ import annotations

import base64
import contextlib
import re
import threading
import time
from collections.abc import Iterator

import pytest

from demo.lab.command import Outcome
from tests.databases.house import HOST, House, house

pytestmark = [pytest.mark.root, pytest.mark.borg, pytest.mark.databases, pytest.mark.slow]

MAIN = "dc=example,dc=org"
GLUED = "ou=glued,dc=example,dc=org"
NASTY = "o=Mein 'S\\22hop $HOME `id` é"
SERIES = {
    ".configuration": "ldap_.configuration",
    MAIN: "ldap_dc.3dexample.2cdc.3dorg",
    GLUED: "ldap_ou.3dglued.2cdc.3dexample.2cdc.3dorg",
    NASTY: "ldap_o.3d.4dein.20.27.53.5c22hop.20.24.48.4f.4d.45.20.60id.60.20.c3.a9",
}
JOBS = {
    "ldap": {"kind": "openldap", "exclude": ["cn=*"], "retention": {"forever": True}, "drill": {}},
    "main": {"kind": "openldap", "databases": [MAIN], "retention": {"forever": True}},
}
SCRIPTS = "/usr/local/lib/backupspec/databases/ldap"
BECOME = ("setpriv", "--reuid=openldap", "--regid=openldap", "--init-groups", "--")
PEOPLE = 6000
LONG = "/var/lib/ldap/a-long-path-so-that-LDIF-has-to-break-the-line-in-it"
PREPARE = f"""
rm -rf /etc/ldap/slapd.d /var/lib/ldap
folder() {{ install -d -o openldap -g openldap -m 0700 -- "$@"; }}
folder /etc/ldap/slapd.d /var/lib/ldap /run/slapd {LONG} {LONG}/1 {LONG}/2 {LONG}/3 {LONG}/4
cd /etc/ldap
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=db01 -keyout own.pem -out cert.pem 2>/dev/null
cat cert.pem >>own.pem
chown openldap own.pem
chmod 0600 own.pem
"""


def encoded(text: str) -> str:
    """Give a value of LDIF, after the attribute and one colon."""
    return f": {base64.b64encode(text.encode()).decode()}"


def configuration() -> str:
    """Give cn=config with three directories, one that is left out, and a certificate that only slapd may read."""
    found = """dn: cn=config
objectClass: olcGlobal
cn: config
olcPidFile: /run/slapd/slapd.pid
olcArgsFile: /run/slapd/slapd.args
olcTLSCertificateFile: /etc/ldap/own.pem
olcTLSCertificateKeyFile: /etc/ldap/own.pem

dn: cn=module,cn=config
objectClass: olcModuleList
cn: module
olcModulePath: /usr/lib/ldap
olcModuleLoad: back_mdb

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

include: file:///etc/ldap/schema/core.ldif

include: file:///etc/ldap/schema/cosine.ldif
"""
    for number, (suffix, more) in enumerate(
        [(GLUED, "olcSubordinate: TRUE\n"), (MAIN, ""), (NASTY, ""), ("cn=other", "")], 1
    ):
        found += f"""
dn: olcDatabase=mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: mdb
olcDbDirectory: {LONG}/{number}
olcSuffix:{encoded(suffix)}
olcRootDN:{encoded("cn=admin," + suffix)}
olcRootPW: secret
olcDbMaxSize: 100000000
olcDbIndex: objectClass eq
{more}"""
    return found


def people() -> str:
    """Give the entries of MAIN."""
    found = f"dn: {MAIN}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n"
    for number in range(PEOPLE):
        text = encoded("Zeilen\n und é " * (number % 9 + 1))
        found += (
            f"\ndn: uid=old{number},{MAIN}\nobjectClass: account\nobjectClass: simpleSecurityObject\nuid: old{number}\n"
            f"userPassword: {number * 7919}\ndescription:{text}\n"
        )
    return found


class Directories:
    """slapd on a machine, its configuration and data where Debian's package has them."""

    def __init__(self, of: House) -> None:
        self.house, self.machine = of, of.machine
        self.machine.sh(PREPARE)
        self.tool("slapadd", "-n", "0", data=configuration())
        self.tool("slapadd", "-q", "-g", "-b", MAIN, data=people())
        self.tool("slapadd", "-q", "-g", "-b", GLUED, data=f"dn: {GLUED}\nobjectClass: organizationalUnit\nou: glued\n")
        name = encoded(NASTY.removeprefix("o=").replace("\\22", '"'))
        self.tool("slapadd", "-q", "-b", NASTY, data=f"dn:{encoded(NASTY)}\nobjectClass: organization\no:{name}\n")
        self.tool("slapadd", "-q", "-b", "cn=other", data="dn: cn=other\nobjectClass: device\ncn: other\n")

    def tool(self, *words: str, data: str = "", check: bool = True) -> Outcome:
        """Run one of slapd's tools as its account."""
        first, *rest = words
        return self.machine.run([*BECOME, first, "-F", "/etc/ldap/slapd.d", *rest], data=data.encode(), check=check)

    def all(self) -> dict[str, str]:
        """Give what slapcat says of everything that is dumped."""
        found = {suffix: self.tool("slapcat", "-g", "-b", suffix).stdout for suffix in (MAIN, GLUED, NASTY)}
        return {".configuration": self.tool("slapcat", "-n", "0").stdout, **found}

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Let slapd run."""
        self.machine.sh("/usr/sbin/slapd -h ldapi:/// -u openldap -g openldap -F /etc/ldap/slapd.d")
        try:
            yield
        finally:
            self.machine.sh("pid=$(cat /run/slapd/slapd.pid); kill $pid; while [ -e /proc/$pid ]; do sleep 0.05; done")

    def add(self, stop: threading.Event) -> int:
        """Add entries to MAIN one after the other until it is time to stop; give their number."""
        number = 0
        while not stop.is_set():
            ldif = "".join(
                f"dn: uid=new{each},{MAIN}\nobjectClass: account\nuid: new{each}\n\n"
                for each in range(number, number + 200)
            )
            self.machine.run(
                ["ldapadd", "-x", "-D", f"cn=admin,{MAIN}", "-w", "secret", "-H", "ldapi:///"], data=ldif.encode()
            )
            number += 200
        return number


@pytest.fixture(scope="module")
def ldap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Directories]:
    """Give a host with some directories, dumped once while slapd runs."""
    with house(tmp_path_factory.mktemp("openldap"), JOBS) as machine:
        found = Directories(machine)
        with found.running():
            machine.job("ldap")
        yield found


@pytest.fixture(autouse=True)
def _clean(ldap: Directories) -> Iterator[None]:
    """See that no test leaves anything of a dump or a restore."""
    yield
    look = "find /var/lib/backupspec-stage -mindepth 1; ls -d /run/backupspec* || :"
    look += "; find /etc/ldap /var/lib/ldap -name 'backupspec-aside'"
    assert ldap.machine.sh(look).stdout == ""
    assert ldap.machine.sh("find /var/lib/ldap /etc/ldap/slapd.d ! -user openldap").stdout == ""


def test_each_directory_and_the_configuration_has_a_series(ldap: Directories) -> None:
    assert ldap.house.series() == tuple(sorted(SERIES.values()))
    shown = {line.rpartition("  last ")[0] for line in ldap.house.restore("ldap").stdout.splitlines()}
    assert shown == set(SERIES)


def test_a_dump_is_what_slapcat_says(ldap: Directories) -> None:
    for entry, text in ldap.all().items():
        assert ldap.house.content(SERIES[entry]).decode() == text


def test_the_drill_reads_the_dumps_again(ldap: Directories) -> None:
    ran = ldap.house.drill("ldap")
    assert f"{MAIN}: {PEOPLE + 1} entries\n" in ran.stderr
    assert f"{NASTY}: 1 entries\n" in ran.stderr
    assert "result=passed" in ldap.machine.read("/var/lib/backupspec/drill/ldap_local")


def test_a_dump_while_entries_are_added_has_all_up_to_one_and_none_after(ldap: Directories) -> None:
    stop = threading.Event()
    added: list[int] = []
    writer = threading.Thread(target=lambda: added.append(ldap.add(stop)))
    with ldap.running():
        writer.start()
        time.sleep(0.5)
        ldap.house.job("main")
        stop.set()
        writer.join()
    text = ldap.house.content(SERIES[MAIN].replace("ldap_", "main_")).decode()
    found = [int(number) for number in re.findall(r"^dn: uid=new([0-9]+),", text, re.MULTILINE)]
    assert found == list(range(len(found)))
    assert 0 < len(found) < added[0]


def test_where_all_was_destroyed_all_comes_back_byte_by_byte(ldap: Directories) -> None:
    ldap.house.job("ldap")
    before = ldap.all()
    ldap.machine.sh("rm -rf /etc/ldap/slapd.d /var/lib/ldap/*")
    early = ldap.house.restore("ldap", MAIN, check=False)
    assert early.code == 1
    assert f"/etc/ldap/slapd.d has no database for {MAIN}; stop slapd, and restore .configuration first" in early.stderr
    assert "Traceback" not in early.stderr
    for entry in before:
        ldap.house.restore("ldap", entry)
    ldap.tool("slapadd", "-q", "-b", "cn=other", data="dn: cn=other\nobjectClass: device\ncn: other\n")
    assert ldap.all() == before
    with ldap.running():
        whoami = ["ldapwhoami", "-x", "-D", f"uid=old5,{MAIN}", "-w", str(5 * 7919), "-H", "ldapi:///"]
        assert ldap.machine.run(whoami).stdout.strip() == f"dn:uid=old5,{MAIN}"


def test_what_exists_is_left_alone_and_so_is_what_slapd_uses(ldap: Directories) -> None:
    for entry in (MAIN, ".configuration"):
        refused = ldap.house.restore("ldap", entry, check=False)
        assert refused.code == 1
        assert f"{entry} exists; --replace it" in refused.stderr
        with ldap.running():
            refused = ldap.house.restore("ldap", entry, "--replace", check=False)
        assert refused.code == 1
        assert "stop it first (process " in refused.stderr
    other = ldap.house.restore("ldap", MAIN, "--as", "dc=copy", check=False)
    assert other.code == 1
    assert "what this kind dumps has one name: without --as" in other.stderr


def test_what_slapd_uses_is_not_replaced_even_if_its_files_are_gone(ldap: Directories) -> None:
    with ldap.running():
        ldap.machine.sh(f"cd {LONG}/2; mkdir /root/kept; cp -a ./* /root/kept; rm ./*")
        ldap.machine.sh("mv /run/slapd/slapd.pid /run/slapd/real")
        refused = ldap.house.restore("ldap", MAIN, check=False)
        ldap.machine.sh("mv /run/slapd/real /run/slapd/slapd.pid")
    ldap.machine.sh(f"mv /root/kept/* {LONG}/2")
    assert refused.code == 1
    assert "stop it first (process " in refused.stderr


def test_a_replacement_takes_its_place_and_one_that_fails_leaves_the_old(ldap: Directories) -> None:
    before = ldap.all()
    words = ["create", "--stdin-name", f"{SERIES[MAIN].removeprefix('ldap_')}.dump"]
    archive = f"{HOST}_{SERIES[MAIN]}_2030-01-01T00:00:00Z"
    broken = before[MAIN][: len(before[MAIN]) // 2].rpartition("objectClass: account")[0] + "objectClass: nonsense\n\n"
    ldap.machine.write("/srv/broken", broken, mode=0o644)
    borg = "/usr/local/lib/backupspec/repositories/local/borg"
    ldap.machine.as_service("backupspec", ["sh", "-c", f"{borg} {' '.join(words)} ::{archive} - </srv/broken"])
    refused = ldap.house.restore("ldap", MAIN, "--replace", check=False)
    drilled = ldap.house.drill("ldap", check=False)
    ldap.machine.as_service("backupspec", [borg, "delete", f"::{archive}"])
    assert refused.code == 1
    assert f"backupspec: {MAIN} is what it was before" in refused.stderr
    assert ldap.all() == before
    assert drilled.code == 1
    assert f"message={MAIN} cannot be restored" in ldap.machine.read("/var/lib/backupspec/drill/ldap_local")
    for entry in (MAIN, ".configuration"):
        ldap.house.restore("ldap", entry, "--replace")
    assert ldap.all() == before


def test_a_dump_that_is_killed_leaves_no_archive_and_costs_the_others_nothing(ldap: Directories) -> None:
    before = ldap.house.archives()
    kill = ["timeout", "60", "sh", "-c", "until pkill -KILL -f '^slapcat.*-b dc=example'; do :; done"]
    killer = threading.Thread(target=ldap.machine.run, args=(kill,))
    killer.start()
    ran = ldap.house.job("ldap", check=False)
    killer.join()
    assert ran.code == 1
    assert f"backupspec: not backed up: {MAIN}\n" in ran.stderr
    added = {name.removeprefix(f"{HOST}_").rpartition("_")[0] for name in set(ldap.house.archives()) - set(before)}
    assert added == set(SERIES.values()) - {SERIES[MAIN]}


def test_a_full_disk_is_noticed_though_slapcat_does_not(ldap: Directories) -> None:
    plain = ["sh", "-c", "slapcat -F /etc/ldap/slapd.d -b cn=other >/dev/full"]
    assert ldap.machine.run([*BECOME, *plain], check=False).code == 0
    ours = ["sh", "-c", f"{SCRIPTS}/dump =cn=other >/dev/full"]
    ran = ldap.machine.run([*BECOME, *ours], check=False)
    assert ran.code == 1
    assert "No space left on device" in ran.stderr


def test_one_that_slapd_does_not_know_is_named(ldap: Directories) -> None:
    ldap.house.written({"main": {**JOBS["main"], "databases": [MAIN, "dc=nowhere"]}})
    before = ldap.house.archives()
    ran = ldap.house.job("main", check=False)
    assert ran.code == 1
    assert "backupspec: not backed up: dc=nowhere\n" in ran.stderr
    assert len(set(ldap.house.archives()) - set(before)) == 2
    ldap.machine.sh("mv /etc/ldap/slapd.d /etc/ldap/away")
    ldap.house.written(JOBS)
    ran = ldap.house.job("ldap", check=False)
    ldap.machine.sh("mv /etc/ldap/away /etc/ldap/slapd.d")
    assert ran.code == 1
    assert "the databases could not be listed; nothing was dumped" in ran.stderr


def test_a_configuration_brings_no_code_and_no_folder_of_its_own(ldap: Directories) -> None:
    machine = ldap.machine
    machine.sh(
        "install -d -o openldap /srv/modules; install -o openldap /usr/lib/ldap/back_null.so /srv/modules/evil.so"
    )
    ldap.house.job("ldap")
    whole = ldap.house.content("ldap_.configuration").decode()
    unit = "/etc/systemd/system/ssh.service.d"
    assert f"olcDbDirectory: {LONG}"[:70] in whole
    hostile = [
        whole.replace(old, new)
        for old, new in (
            ("olcModuleLoad: {0}back_mdb", "olcModuleLoad: {0}back_mdb\nolcModuleLoad: {1}/srv/modules/evil.so"),
            ("olcModulePath: /usr/lib/ldap", "olcModulePath: /srv/modules:/usr/lib/ldap"),
            ("olcModuleLoad: {0}back_mdb", "olcModuleLoad: {0}back_mdb\nolcModuleLoad: {1}back_perl"),
        )
    ]
    become = ["setpriv", "--reuid=backupspec-drill", "--regid=backupspec-drill", "--init-groups", "--"]
    try:
        ldap.house.store("ldap_.configuration", hostile[0].encode())
        drilled = ldap.house.drill("ldap", check=False)
        ldap.house.unstore("ldap_.configuration")
        assert drilled.code == 1
        assert "message=the configuration loads " in machine.read("/var/lib/backupspec/drill/ldap_local")
        for text in hostile[1:]:
            machine.sh("rm -rf /srv/judged; install -d -o backupspec-drill /srv/judged /srv/judged/work")
            machine.write("/srv/judged/.configuration.dump", text)
            words = [f"{SCRIPTS}/scratch", "/srv/judged", "/srv/judged/work"]
            judged = machine.run([*become, *words], check=False)
            assert judged.code == 1
            assert judged.stderr.startswith("the configuration loads ")
        folder = re.sub(r"olcDbDirectory: (.|\n )*/\n? ?4\n", f"olcDbDirectory: {unit}\n", whole)
        assert folder != whole
        ldap.house.store("ldap_.configuration", folder.encode())
        refused = ldap.house.restore("ldap", ".configuration", "--replace", check=False)
        ldap.house.unstore("ldap_.configuration")
    finally:
        machine.sh("rm -rf /srv/modules /srv/judged")
    assert refused.code == 1
    assert f"a directory lies in {unit}, which openldap cannot make" in refused.stderr
    assert machine.run(["test", "-e", unit], check=False).code == 1

"""An rsnapshot history of a host's web pages on the backup server, made by rsnapshot itself, and its migration."""

import sys

from demo.lab.machine import CREDENTIALS, Machine
from demo.lab.site import SCRIPTS

OLD = "/srv/rsnapshot"
HERE = "/srv/migration"
"""Where the admin of the server sits and types, with the inventory in a folder below."""
CREATE = f"{SCRIPTS}/jobs/www_central/create"
_NIGHTS = 4
# Aged: rsync does not correct times within the second in which a file was made.
_PAGES = """
mkdir -p /srv/www/shop/img; cd /srv/www
printf '<h1>day %s</h1>\\n' "$1" >index.html
seq 1 200000 >shop/orders.csv; printf 'old' >'shop/price list.txt'; ln -sf orders.csv shop/current
seq 1 90000 | gzip -n >shop/img/logo.gz; seq 1 400 | while read -r n; do echo "item $n" >"shop/img/item $n.txt"; done
 chmod 0640 shop/orders.csv; chown -R www-data:www-data shop
find . -depth -exec touch --no-dereference --date='2023-12-24 12:00:00 UTC' {} +
touch --date='2024-01-0'"$1"' 00:00:00 UTC' index.html
"""
_MAKE = """
from pathlib import Path
from backupspec_migrate.sample import make_sample_tree
make_sample_tree(Path('{old}'), source=Path('/srv/www'), snapshots={nights}, host='{host}')
"""


def page(machine: Machine, *, days: int) -> None:
    """Give /srv/www on `machine` its state of a day in January 2024; the same bytes and times wherever it runs."""
    machine.run(["sh", "-euc", _PAGES, "pages", str(days)])


def old_history(server: Machine, host: str) -> None:
    """Let rsnapshot take four nights of /srv/www as `host`, the last one after a change."""
    page(server, days=1)
    server.run([sys.executable, "-c", _MAKE.format(old=OLD, nights=_NIGHTS, host=host)])
    page(server, days=_NIGHTS + 1)
    server.run(["rsnapshot", "-c", f"{OLD}/rsnapshot.conf", "daily"])
    server.run(["touch", f"--date=2024-01-0{_NIGHTS + 2} 02:05:00 UTC", f"{OLD}/snapshots/daily.0"])


def migrate(server: Machine, host: Machine, words: str) -> str:
    """Run `backupspec migrate WORDS` on the server, in HERE, and return what it said.

    The host's passphrase reaches it by its environment only.
    """
    argv = ["env", f"--chdir={HERE}", sys.executable, "-m", "backupspec", "migrate", *words.split()]
    passphrase = host.read(f"{CREDENTIALS}/passphrase-central").rstrip("\n")
    return server.run(argv, env={"BORG_PASSPHRASE": passphrase}).output

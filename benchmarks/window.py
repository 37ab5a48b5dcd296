"""How long users are locked out, while they work all the time.

An ownCloud of 63,415 files in 5 homes, whose database, on MariaDB, has 100,000 rows in
oc_filecache, is backed up to an S3 server again and again while two of them write; then with a line
of 1 MB/s, then with ten times as many bytes in the same number of files. Each time the last
snapshot is restored, and what came back is compared with what the users know to have been there
when they were locked out, and with the restored database. `python -m benchmarks.window --help`
tells how to make it smaller.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from benchmarks.slow_line import slow_line
from benchmarks.users import COVERED, User, is_frozen, look
from tests.servers.mariadb import running_mariadb
from tests.servers.owncloud_database import MysqlLogin
from tests.servers.owncloud_site import make_site
from tests.servers.s3 import running_s3

if TYPE_CHECKING:
    from tests.servers.mariadb import DatabaseServer
    from tests.servers.owncloud_site import Site
    from tests.servers.s3 import S3Server

USERS = ("alice", "bob", "carol@example.org", "dave", "erin")
SLOW_BYTES_PER_SECOND = 1_000_000
SETTLE_SECONDS = 2.2
PARTS = ("on", "settle", "drain", "database", "scan", "read", "off")
_DIRECTORY = 2


def main() -> None:
    """Parse the size and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=63_415)
    parser.add_argument("--mean-bytes", type=int, default=4_000)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--active", type=int, default=2, help="users who write, of five")
    parser.add_argument("--rounds", type=int, default=3, help="backups with each line")
    parser.add_argument("--times", type=int, default=10, help="the larger site's bytes; 1: none")
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ocsnap-bench-", dir=options.folder))
    try:
        with ExitStack() as stack:
            database = stack.enter_context(running_mariadb(_folder(folder, "mariadb")))
            store = stack.enter_context(running_s3(_folder(folder, "s3")))
            address = urlsplit(store.endpoint)
            slow_port = stack.enter_context(
                slow_line(
                    str(address.hostname),
                    int(address.port or 80),
                    bytes_per_second=SLOW_BYTES_PER_SECOND,
                )
            )
            bench = _Bench(folder, database, store, slow_port, options)
            bench.run("site", options.mean_bytes)
            if options.times > 1:
                bench.run(f"{options.times} times the bytes", options.mean_bytes * options.times)
    finally:
        shutil.rmtree(folder)


def _folder(folder: Path, name: str) -> Path:
    inner = folder / name
    inner.mkdir()
    return inner


class _Frozen(NamedTuple):
    began: float
    ended: float


class _Bench:
    def __init__(
        self,
        folder: Path,
        database: DatabaseServer,
        store: S3Server,
        slow_port: int,
        options: argparse.Namespace,
    ) -> None:
        self.root = folder
        self.database = database
        self.store = store
        self.slow_port = slow_port
        self.options = options

    def run(self, title: str, mean_bytes: int) -> None:
        """Measure one site."""
        self.folder = _folder(self.root, f"work-{mean_bytes}")
        self.name = self.database.new_database()
        site = self._site(mean_bytes)
        homes = {user: look(home) for user, home in site.homes.items()}
        self._write_configs(site)
        bytes_there = sum(path.lstat().st_size for path in site.data_dir.rglob("*"))
        files = sum(map(len, homes.values()))
        _show(title, f"{files} files in {len(homes)} homes, {bytes_there / 1e9:.2f} GB")
        self._backup("first backup", "quick")
        self._no_change(site)
        users = [User(site, name, homes[name]) for name in USERS[: self.options.active]]
        for user in users:
            user.start()
        try:
            self._rounds("plain line", "quick", site, users)
            self._rounds("line of 1 MB/s", "slow", site, users)
        finally:
            for user in users:
                user.stop()
        _show("users", f"{sum(len(user.acts) for user in users)} changes")
        frozen = {user.name: user.frozen_files for user in users}
        self._prove(site, homes | frozen)
        shutil.rmtree(self.folder)

    def _site(self, mean_bytes: int) -> Site:
        login = MysqlLogin(
            name=self.name,
            user=self.database.user,
            password=self.database.password,
            socket=self.database.socket,
        )
        site = make_site(
            self.folder / "oc",
            dbtype="mysql",
            users=USERS,
            files_per_user=self.options.files // len(USERS),
            mean_bytes=mean_bytes,
            large_bytes=0,
            mysql=login,
            data_dir=self.folder / "ocdata",
        )
        self._fill_filecache()
        return site

    def _fill_filecache(self) -> None:
        """Add rows of a storage that is not on this disk, until there are so many."""
        (present,) = self.database.run(self.name, "SELECT COUNT(*) FROM oc_filecache")[0]
        with self.database.connect(self.name) as connection, connection.cursor() as cursor:
            for start in range(present, self.options.rows, 5000):
                cursor.executemany(
                    "INSERT INTO oc_filecache (storage, path, path_hash, name, size, mtime,"
                    " storage_mtime, etag, checksum) VALUES (99, %s, MD5(%s), %s, %s, %s, %s,"
                    " MD5(%s), CONCAT('SHA1:', SHA1(%s), ' MD5:', MD5(%s)))",
                    [
                        (f"files/f/{n}.txt", n, f"{n}.txt", n, 1e9 + n, 1e9 + n, n, n, n)
                        for n in range(start, min(start + 5000, self.options.rows))
                    ],
                )

    def _write_configs(self, site: Site) -> None:
        """Write two configurations of the same repository, one of them over the slow line."""
        repository = self.store.repository_config(self.store.new_bucket(), "cloud", self.folder)
        passphrase = self.folder / "passphrase"
        passphrase.write_text(os.urandom(30).hex())
        passphrase.chmod(0o600)
        slow = f"http://127.0.0.1:{self.slow_port}"
        for name, endpoint in (("quick", repository.endpoint), ("slow", slow)):
            (self.folder / f"{name}.toml").write_text(
                f"""
                [owncloud]
                root = "{site.root}"
                [repository]
                url = "{repository.url}"
                endpoint = "{endpoint}"
                access_key_id = "{repository.access_key_id}"
                secret_access_key_file = "{repository.secret_access_key_file}"
                [encryption]
                passphrase_file = "{passphrase}"
                [backup]
                state_dir = "{self.folder}/state"
                [maintenance]
                settle_seconds = {SETTLE_SECONDS}
                """
            )

    # -- measuring ---------------------------------------------------------------------------

    def _ocsnap(self, line: str, *arguments: str) -> dict[str, Any]:
        config = str(self.folder / f"{line}.toml")
        command = [sys.executable, "-m", "ocsnap", "-c", config, "--json", *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
        if done.returncode:
            sys.exit(f"ocsnap {arguments[0]}: status {done.returncode}: {done.stdout.decode()}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def _backup(self, title: str, line: str) -> dict[str, Any]:
        began = time.monotonic()
        report = self._ocsnap(line, "backup")
        window = report["window"]
        parts = ", ".join(f"{part} {window[f'{part}_seconds']:.2f}" for part in PARTS)
        _show(
            title,
            f"window {window['total_seconds']:.2f} s, own work {window['work_seconds']:.2f} s"
            f" ({parts}); {report['put_bytes'] / 1e6:.1f} MB in {time.monotonic() - began:.1f} s",
        )
        return report

    def _no_change(self, site: Site) -> None:
        there = sum(1 for _ in os.walk(site.data_dir))
        read = self._backup("no change", "quick")["statistics"]["directories_read"]
        _show("  directories", f"{read} read in two passes and of config, of {there} there are")

    def _rounds(self, title: str, line: str, site: Site, users: list[User]) -> None:
        totals, works = [], []
        for _ in range(self.options.rounds):
            time.sleep(3)  # the users come back
            watch = _Watch(site)
            window = self._backup(title, line)["window"]
            seen = watch.stop()
            totals.append(window["total_seconds"])
            works.append(window["work_seconds"])
            inside = _Frozen(
                seen.ended - window["off_seconds"] - window["work_seconds"],
                seen.ended - window["off_seconds"],
            )
            overlapping = [
                act.what
                for user in users
                for act in user.acts
                if act.began < inside.ended and act.ended > inside.began
            ]
            _show("  seen from outside", f"{seen.ended - seen.began:.2f} s in maintenance")
            if overlapping:
                sys.exit(f"users changed something inside the window: {overlapping}")
        total, work = statistics.median(totals), statistics.median(works)
        _show("  median", f"window {total:.2f} s, own work {work:.2f} s")

    # -- proving -----------------------------------------------------------------------------

    def _prove(self, site: Site, wanted: dict[str, Any]) -> None:
        target, database = self.folder / "restored", f"{self.name}_restored"
        names = ("--target", str(target), "--database-name", database)
        self._ocsnap("quick", "restore", "--yes", *names)
        for user, home in site.homes.items():
            restored = target / "data" / home.name
            found = look(restored)
            different = {path for path in found if found[path] != wanted[user].get(path)}
            different |= wanted[user].keys() - found.keys()
            if different:
                sys.exit(f"{user}: {len(different)} files differ: {sorted(different)[:10]}")
            self._compare_with_database(database, user, restored)
        count = sum(map(len, wanted.values()))
        _show("restored", f"{count} files as they were in the window, as the database says too")

    def _compare_with_database(self, database: str, user: str, home: Path) -> None:
        rows = self.database.run(
            database,
            "SELECT f.path, f.size, f.storage_mtime, f.checksum, f.mimetype"  # noqa: S608 - a name of ours
            " FROM oc_filecache f"
            f" JOIN oc_storages s ON f.storage = s.numeric_id WHERE s.id = 'home::{user}'",
        )
        known = set()
        for path, size_bytes, mtime, checksum, mimetype in rows:
            file = home / path
            if mimetype == _DIRECTORY or path.partition("/")[0] not in COVERED:
                continue
            known.add(path)
            status = file.stat()
            same = status.st_size == size_bytes and int(status.st_mtime) == mtime
            if checksum:
                digest = hashlib.sha1(file.read_bytes(), usedforsecurity=False).hexdigest()
                same = same and checksum.startswith(f"SHA1:{digest} ")
            if not same:
                sys.exit(f"{user}: {path} is not what the restored database says")
        if unknown := look(home).keys() - known:
            sys.exit(f"{user}: the restored database does not know {sorted(unknown)[:10]}")


class _Watch:
    """Looks at config.php all the time: the window as the outside sees it."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._ended = threading.Event()
        self._seen: list[float] = []
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> _Frozen:
        self._ended.set()
        self._thread.join()
        return _Frozen(self._seen[0], self._seen[-1])

    def _watch(self) -> None:
        while not self._ended.wait(0.005):
            if is_frozen(self._site):
                self._seen.append(time.monotonic())


def _show(title: str, text: str) -> None:
    print(f"{title:<22}{text}", flush=True)


if __name__ == "__main__":
    main()

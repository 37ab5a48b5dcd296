"""The whole job on real servers, with its times and sizes.

An ownCloud of 20,000 files (2 GB) whose database, on MariaDB, has 100,000 rows in oc_filecache is
backed up to an S3 server, changed, backed up again, and restored elsewhere; then every byte and
every row is compared. `python -m benchmarks.whole_site --help` tells how to make it smaller.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.servers.mariadb import running_mariadb
from tests.servers.owncloud_database import MysqlLogin
from tests.servers.owncloud_site import make_site
from tests.servers.s3 import running_s3

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.servers.mariadb import DatabaseServer
    from tests.servers.owncloud_site import Site
    from tests.servers.s3 import S3Server

USERS = ("alice", "bob", "carol@example.org", "dave")
LEFT_OUT = ("/owncloud.log", "/*/cache", "/*/uploads", "*.part")


def main() -> None:
    """Parse the size and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--mean-bytes", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ocsnap-bench-", dir=options.folder))
    try:
        with ExitStack() as stack:
            database = stack.enter_context(running_mariadb(_folder(folder, "mariadb")))
            store = stack.enter_context(running_s3(_folder(folder, "s3")))
            _Bench(folder, database, store).run(options.files, options.mean_bytes, options.rows)
    finally:
        shutil.rmtree(folder)


def _folder(folder: Path, name: str) -> Path:
    inner = folder / name
    inner.mkdir()
    return inner


class _Bench:
    def __init__(self, folder: Path, database: DatabaseServer, store: S3Server) -> None:
        self.folder = folder
        self.database = database
        self.store = store
        self.name = database.new_database()
        self.config = folder / "ocsnap.toml"

    def run(self, files: int, mean_bytes: int, rows: int) -> None:
        site = self._site(files, mean_bytes)
        self._fill_filecache(rows)
        self._write_config(site)
        _show("site", f"{files} files, {_tree_bytes(site.data_dir) / 1e9:.2f} GB")
        self._backup("first backup")
        self._backup("no change")
        for seed in range(10):
            site.mutate(seed)
        self._backup("after 200 changes")
        self._timed("verify", "verify")
        self._timed("verify --read-data", "verify", "--read-data")
        self._restore(site)

    def _site(self, files: int, mean_bytes: int) -> Site:
        login = MysqlLogin(
            name=self.name,
            user=self.database.user,
            password=self.database.password,
            socket=self.database.socket,
        )
        return make_site(
            self.folder / "oc",
            dbtype="mysql",
            users=USERS,
            files_per_user=files // len(USERS),
            mean_bytes=mean_bytes,
            large_bytes=64 << 20,
            mysql=login,
            data_dir=self.folder / "ocdata",
        )

    def _fill_filecache(self, rows: int) -> None:
        """Add rows of a storage that is not on this disk, until there are so many."""
        (present,) = self.database.run(self.name, "SELECT COUNT(*) FROM oc_filecache")[0]
        with self.database.connect(self.name) as connection, connection.cursor() as cursor:
            for start in range(present, rows, 5000):
                cursor.executemany(
                    "INSERT INTO oc_filecache (storage, path, path_hash, name, size, mtime,"
                    " storage_mtime, etag, checksum) VALUES (99, %s, MD5(%s), %s, %s, %s, %s,"
                    " MD5(%s), CONCAT('SHA1:', SHA1(%s), ' MD5:', MD5(%s)))",
                    [
                        (f"files/f/{n}.txt", n, f"{n}.txt", n, 1e9 + n, 1e9 + n, n, n, n)
                        for n in range(start, min(start + 5000, rows))
                    ],
                )

    def _write_config(self, site: Site) -> None:
        bucket = self.store.new_bucket()
        repository = self.store.repository_config(bucket, "cloud", self.folder)
        passphrase = self.folder / "passphrase"
        passphrase.write_text(os.urandom(30).hex())
        passphrase.chmod(0o600)
        self.config.write_text(
            f"""
            [owncloud]
            root = "{site.root}"
            [repository]
            url = "{repository.url}"
            endpoint = "{repository.endpoint}"
            access_key_id = "{repository.access_key_id}"
            secret_access_key_file = "{repository.secret_access_key_file}"
            [encryption]
            passphrase_file = "{passphrase}"
            [backup]
            state_dir = "{self.folder}/state"
            """
        )

    # -- the commands ------------------------------------------------------------------------

    def _timed(self, title: str, *arguments: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "ocsnap", "-c", str(self.config), "--json", *arguments]
        began = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            peak = _PeakMemory(process.pid)
            output = process.communicate()[0]
        seconds = time.monotonic() - began
        if process.returncode:
            sys.exit(f"{title}: exit status {process.returncode}: {output.decode()}")
        _show(title, f"{seconds:.2f} s, at most {peak.mebibytes()} MiB of memory")
        answer: dict[str, Any] = json.loads(output)
        return answer

    def _backup(self, title: str) -> None:
        report = self._timed(title, "backup")
        window, figures = report["window"], report["statistics"]
        _show(
            "  maintenance",
            f"{window['total_seconds']:.2f} s, of which own work {window['work_seconds']:.2f} s",
        )
        _show(
            "  files",
            f"{figures['files_read']} read, {figures['new_files']} new, "
            f"{figures['changed_files']} changed, {figures['deleted_files']} deleted",
        )
        _show(
            "  dump",
            f"{report['dump_bytes'] / 1e6:.1f} MB in {report['dump_seconds']:.2f} s, "
            f"{report['dump_new_bytes'] / 1e6:.2f} MB of it new",
        )
        _show(
            "  put",
            f"{report['put_bytes'] / 1e6:.2f} MB in {report['objects_put']} objects, "
            f"{report['requests']} requests",
        )

    def _restore(self, site: Site) -> None:
        target = self.folder / "restored"
        restored = f"{self.name}_restored"
        names = ("--target", str(target), "--database-name", restored)
        report = self._timed("restore elsewhere", "restore", "--yes", *names)
        _show("  restored", f"{report['files']} entries, {report['rows']} rows")
        self._compare_files(site.data_dir, target / "data", LEFT_OUT)
        self._compare_files(site.root / "config", target / "config", ("/config.php",))
        self._compare_rows(restored)
        _show("result", "every byte and every row is equal")

    # -- the comparison ----------------------------------------------------------------------

    def _compare_files(self, original: Path, copy: Path, left_out: Sequence[str]) -> None:
        command = ["rsync", "-aHAXcn", "--delete", "--itemize-changes"]
        command += [f"--exclude={pattern}" for pattern in left_out]
        differences = subprocess.run(
            [*command, f"{original}/", f"{copy}/"], check=True, capture_output=True, text=True
        ).stdout
        # occ wrote config.php after the snapshot: its folder has another time.
        lines = [line for line in differences.splitlines() if line != ".d..t...... ./"]
        if lines:
            sys.exit("different:\n" + "\n".join(lines[:20]))

    def _compare_rows(self, restored: str) -> None:
        tables = [row[0] for row in self.database.run(self.name, "SHOW TABLES")]
        for table in tables:
            if table == "oc_file_locks":
                continue
            ours, theirs = (
                self.database.run(name, f"CHECKSUM TABLE `{table}` EXTENDED")[0][1]
                for name in (self.name, restored)
            )
            if ours != theirs:
                sys.exit(f"the table {table} is different")
        _show("  compared", f"{len(tables)} tables")


class _PeakMemory:
    """Watches the peak of a process's own memory until it ends; gpg's is not in it."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._kilobytes = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def mebibytes(self) -> int:
        self._thread.join()
        return self._kilobytes // 1024

    def _watch(self) -> None:
        while True:
            try:
                lines = self._status.read_text().splitlines()
            except OSError:
                return
            told = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
            if not told:
                return
            self._kilobytes = max(self._kilobytes, int(told[0]))
            time.sleep(0.05)


def _tree_bytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def _show(title: str, text: str) -> None:
    print(f"{title:<22}{text}", flush=True)


if __name__ == "__main__":
    main()

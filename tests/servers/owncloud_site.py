"""A small ownCloud that answers, stores and changes as a real one does, without its web pages.

For tests and for trying ocsnap out: its `occ` and `status.php` are PHP programs, its database is
SQLite or MySQL with ownCloud's tables, and its files lie as ownCloud lays them.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tests.servers.owncloud_changes import Changes
from tests.servers.owncloud_database import MysqlLogin, SiteDatabase, connected
from tests.servers.owncloud_filecache import Filecache
from tests.servers.owncloud_tree import EPOCH, fill_common, fill_home

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PROGRAMS = Path(__file__).parent / "owncloud"
_SCANNED = ("files", "files_versions", "files_trashbin", "cache", "thumbnails")


@dataclass(frozen=True)
class Site:
    """One ownCloud.

    Attributes:
        root: folder with occ, version.php and config/.
        data_dir: the data directory.
        database: the SQLite file, or the MySQL server.
        prefix: what tables' names begin with.
        users: the users' ids.
        homes: each user's home.
    """

    root: Path
    data_dir: Path
    database: Path | MysqlLogin
    prefix: str
    users: tuple[str, ...]
    homes: Mapping[str, Path] = field(hash=False)

    @property
    def config_path(self) -> Path:
        """config.php."""
        return self.root / "config" / "config.php"

    def mutate(self, seed: int, *, changes: int = 20) -> list[str]:
        """Let the users work: the same seed on the same state makes the same changes.

        Args:
            seed: what all choices depend on.
            changes: number of changes.

        Returns:
            One line for each change, for people.
        """
        rng = random.Random(f"change {seed}")
        with self.connected() as database:
            acts = Changes(self.homes, database, Filecache(database, rng), rng)
            return [acts.one() for _ in range(changes)]

    @contextmanager
    def connected(self) -> Iterator[SiteDatabase]:
        """Open the database in a transaction that is committed at the end."""
        with connected(self.database, self.prefix) as database:
            yield database

    @contextmanager
    def fault(self, name: str, parameter: str = "") -> Iterator[None]:
        """Let occ and the web pages fail.

        Args:
            name: "database-down", "no-database" (is not connected to), "disk-full" (the
                parameter says how many bytes still fit), "slow" (so many seconds), "scan" (fails).
            parameter: see there.
        """
        self.set_fault(name, parameter)
        try:
            yield
        finally:
            (self.root / "faults" / name).unlink()

    def set_fault(self, name: str, parameter: str = "") -> None:
        """Begin a fault that stays."""
        (self.root / "faults").mkdir(exist_ok=True)
        (self.root / "faults" / name).write_text(parameter)

    def overlay(self, name: str, **settings: object) -> Path:
        """Write config/<name>.config.php."""
        path = self.root / "config" / f"{name}.config.php"
        path.write_text(f"<?php\n$CONFIG = {php_export(settings)};\n")
        return path


def make_site(  # noqa: PLR0913 - what varies from test to test, all by name
    folder: Path,
    *,
    dbtype: Literal["sqlite3", "mysql"] = "sqlite3",
    users: Sequence[str] = ("alice", "bob", "carol@example.org"),
    files_per_user: int = 40,
    mean_bytes: int = 3000,
    large_bytes: int = 1 << 20,
    seed: int = 1,
    data_dir: Path | None = None,
    mysql: MysqlLogin | None = None,
    prefix: str = "oc_",
    version: str = "11.0.0",
    owner: tuple[int, int] | None = None,
) -> Site:
    """Make an ownCloud.

    Args:
        folder: where its `root` goes.
        dbtype: kind of the database.
        users: the users' ids.
        files_per_user: number of files in each home.
        mean_bytes: mean size of a file.
        large_bytes: size of one large file in each home.
        seed: what all contents depend on.
        data_dir: the data directory; None: `data` in the root.
        mysql: the server and the empty database to fill, for `dbtype="mysql"`.
        prefix: what tables' names begin with.
        version: ownCloud's version.
        owner: user and group that everything shall belong to; None: to us.

    Returns:
        The site, not in maintenance.
    """
    root = folder / "root"
    shutil.copytree(_PROGRAMS, root)
    data_dir = data_dir or root / "data"
    rng = random.Random(f"site {seed}")
    fill_common(data_dir, rng)
    homes = {user: data_dir / user for user in users}
    for home in homes.values():
        fill_home(home, rng, files=files_per_user, mean_bytes=mean_bytes, large=large_bytes)
    place: Path | MysqlLogin = data_dir / "owncloud.db"
    if dbtype == "mysql":
        if mysql is None:
            raise ValueError("a MySQL server is needed")
        place = mysql
    site = Site(root, data_dir, place, prefix, tuple(users), homes)
    _write_code(root, version)
    _write_config(site, version)
    with site.connected() as database:
        database.create_tables()
        _fill_database(site, database, rng, version)
    if owner is not None:
        _give(root, owner)
        _give(data_dir, owner)
    return site


def php_export(value: object, indent: str = "") -> str:
    """Return a value as PHP's var_export() writes it."""
    if isinstance(value, dict):
        inner = indent + "  "
        lines = (
            f"{inner}{php_export(key)} => "
            + (f"\n{inner}" if isinstance(item, dict) else "")
            + f"{php_export(item, inner)},\n"
            for key, item in value.items()
        )
        return f"array (\n{''.join(lines)}{indent})"
    if isinstance(value, list):
        return php_export(dict(enumerate(value)), indent)
    if value is None or isinstance(value, bool):
        return {None: "NULL", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"


def _write_code(root: Path, version: str) -> None:
    code = root / "version.php"
    numbers = ", ".join([*version.split("."), "0"])
    text = code.read_text().replace("'11.0.0'", f"'{version}'").replace("11, 0, 0, 0", numbers)
    code.write_text(text)
    (root / "apps" / "files" / "appinfo").mkdir(parents=True)
    (root / "apps" / "files" / "appinfo" / "info.xml").write_text("<info><id>files</id></info>\n")


def _write_config(site: Site, version: str) -> None:
    settings: dict[str, object] = {
        "instanceid": "oc1b2c3d4e5f",
        "passwordsalt": "pepper's \\ salt",
        "secret": "not so secret",
        "trusted_domains": ["localhost", "cloud.example.org"],
        "datadirectory": str(site.data_dir),
        "overwrite.cli.url": "http://localhost",
        "dbtype": "sqlite3",
        "version": f"{version}.0",
        "dbtableprefix": site.prefix,
        "logtimezone": "UTC",
        "apps_paths": [{"path": str(site.root / "apps"), "url": "/apps", "writable": False}],
        "installed": True,
    }
    if isinstance(site.database, MysqlLogin):
        login = site.database
        settings |= {
            "dbtype": "mysql",
            "dbname": login.name,
            "dbhost": login.dbhost,
            "dbuser": login.user,
            "dbpassword": login.password,
            "mysql.utf8mb4": True,
        }
    site.config_path.parent.mkdir()
    site.config_path.write_text(f"<?php\n$CONFIG = {php_export(settings)};\n")
    site.config_path.chmod(0o640)


def _fill_database(site: Site, database: SiteDatabase, rng: random.Random, version: str) -> None:
    filecache = Filecache(database, rng)
    filecache.create_mimetypes()
    filecache.scan(filecache.storage(f"local::{site.data_dir}/"), site.data_dir, below=("avatars",))
    for number, user in enumerate(site.users, 1):
        storage = filecache.storage(f"home::{user}")
        filecache.scan(storage, site.homes[user], below=_SCANNED)
        database.run(
            "INSERT INTO oc_mounts (storage_id, root_id, user_id, mount_point) VALUES (?, ?, ?, ?)",
            *(storage, filecache.file_id(storage, ""), user, f"/{user}/"),
        )
        database.run(
            "INSERT INTO oc_users (uid, displayname, password) VALUES (?, ?, ?)",
            *(user, f"{user.title()} 😀", "1|$2y$10$" + "x" * 53),
        )
        database.run(
            "INSERT INTO oc_accounts (id, email, user_id, lower_user_id, display_name, backend,"
            " home, state, creation_time) VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?)",
            *(number, None, user, user.lower(), f"{user.title()} 😀", "OC\\User\\Database"),
            *(str(site.homes[user]), EPOCH),
        )
    _fill_settings(site, database, version)
    if not version.startswith(("10.", "11.")):
        # The table of accounts came with ownCloud 10; nothing refers to it before.
        database.run("DROP TABLE oc_persistent_locks")
        database.run("DROP TABLE oc_accounts")


def _fill_settings(site: Site, database: SiteDatabase, version: str) -> None:
    database.run_many(
        "INSERT INTO oc_appconfig (appid, configkey, configvalue) VALUES (?, ?, ?)",
        [
            ("core", "installedat", f"{EPOCH}.5"),
            ("core", "vendor", "owncloud"),
            ("core", "umgebung", "Straße \\ 'quoted' \n second line 😀"),
            ("files", "installed_version", version),
            ("files_versions", "enabled", "yes"),
        ],
    )
    database.run_many(
        "INSERT INTO oc_preferences (userid, appid, configkey, configvalue) VALUES (?, ?, ?, ?)",
        [(user, "core", "lang", "de") for user in site.users],
    )
    database.run_many(
        "INSERT INTO oc_jobs (class, argument) VALUES (?, ?)",
        [("OCA\\Files\\BackgroundJob\\ScanFiles", "null"), ("OCA\\DAV\\CleanupJob", '{"a":[]}')],
    )
    database.run_many(
        "INSERT INTO oc_migrations (app, version) VALUES (?, ?)",
        [("core", "20170101010100"), ("dav", "20170202213905")],
    )
    # A killed upload left its lock, which has ended since; a download's lock is shared.
    now = int(time.time())
    database.run_many(
        "INSERT INTO oc_file_locks (`lock`, `key`, ttl) VALUES (?, ?, ?)",
        [(-1, "files/" + "a" * 32, now - 10), (1, "files/" + "b" * 32, now + 3600)],
    )


def _give(folder: Path, owner: tuple[int, int]) -> None:
    os.chown(folder, *owner)
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(path) / name, *owner, follow_symlinks=False)

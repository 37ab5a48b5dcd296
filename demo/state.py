"""What an ownCloud consists of at one moment, in a form that can be compared later."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ocsnap import units

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.owncloud_site import Site

LEFT_OUT_OF_HOMES = ("cache", "uploads")
"""What ownCloud makes again by itself, so that no backup has it."""
LEFT_OUT_ROWS = "oc_file_locks"
"""Its table comes back empty: locks of uploads that ended long ago would only be in the way."""


class File(NamedTuple):
    """A file, folder or link: type and rights, owner, time, size and SHA-256 of the content."""

    mode: str
    uid: int
    gid: int
    mtime_ns: int | None
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class State:
    """Checksums of all that must come back.

    Attributes:
        files: every file, folder and link, by path.
        tables: for each table its number of rows and the SHA-256 of them all.
        definitions: the SQL that made each table and index.
    """

    files: dict[str, File]
    tables: dict[str, tuple[int, str]]
    definitions: dict[str, str]

    @classmethod
    def of(cls, site: Site) -> State:
        """Read everything."""
        folders = {"config": site.root / "config", "data": site.data_dir}
        files = {
            f"{name}/{path.relative_to(top)}": _described(path, site)
            for name, top in folders.items()
            for path in _walk(top, site)
        }
        with closing(sqlite3.connect(str(site.database))) as connection:
            query = "SELECT type || ' ' || name, sql FROM sqlite_master"
            return cls(files, dict(_tables(connection)), dict(connection.execute(query)))

    def __str__(self) -> str:
        """Return it in figures."""
        size = sum(file.size_bytes for file in self.files.values())
        rows = sum(rows for rows, _ in self.tables.values())
        return (
            f"{len(self.files)} files and folders with {units.size(size)},"
            f" {rows} rows in {len(self.tables)} tables"
        )

    def differences(self, other: State) -> Iterator[str]:
        """Yield a line for everything that is not the same in `other`."""
        for mine, yours in (
            (self.files, other.files),
            (self.tables, other.tables),
            (self.definitions, other.definitions),
        ):
            for name in sorted(mine.keys() | yours.keys()):
                if mine.get(name) != yours.get(name):
                    yield f"{name}: {mine.get(name)} became {yours.get(name)}"


def _walk(folder: Path, site: Site) -> Iterator[Path]:
    yield folder
    for path in sorted(folder.iterdir()):
        if _is_left_out(path, site):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path, site)
        else:
            yield path


def _is_left_out(path: Path, site: Site) -> bool:
    return (
        path.suffix == ".part"
        or path.name.startswith("owncloud.db")
        or (path.parent == site.data_dir and path.name.startswith("owncloud.log"))
        or (path.parent in site.homes.values() and path.name in LEFT_OUT_OF_HOMES)
    )


def _described(path: Path, site: Site) -> File:
    status = path.lstat()
    content = b""
    if stat.S_ISLNK(status.st_mode):
        content = os.fsencode(path.readlink())
    elif stat.S_ISREG(status.st_mode):
        content = path.read_bytes()
    # SQLite makes its journal beside the database, which gives this folder a new time each time.
    changes = path == site.data_dir
    return File(
        stat.filemode(status.st_mode),
        status.st_uid,
        status.st_gid,
        None if changes else status.st_mtime_ns,
        len(content),
        hashlib.sha256(content).hexdigest(),
    )


def _tables(connection: sqlite3.Connection) -> Iterator[tuple[str, tuple[int, str]]]:
    names = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    )
    for (name,) in names.fetchall():
        query = f'SELECT * FROM "{name}"' + (" WHERE 0" if name == LEFT_OUT_ROWS else "")
        rows = sorted(repr(row) for row in connection.execute(query))
        yield name, (len(rows), hashlib.sha256("\n".join(rows).encode()).hexdigest())

"""All of an ownCloud that must come back, gathered with nothing of ocsnap's own."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.owncloud_database import SiteDatabase
    from tests.servers.owncloud_site import Site


class Item(NamedTuple):
    """One name in a folder.

    Attributes:
        mode: type and permissions.
        owner: user and group.
        mtime_ns: modification time.
        content: hash of a file, target of a link.
        names: all the names that the file has, if it has several.
        attributes: extended attributes.
    """

    mode: str
    owner: tuple[int, int]
    mtime_ns: int
    content: str
    names: tuple[str, ...]
    attributes: tuple[tuple[str, bytes], ...]


Files = dict[str, Item]


def files(folder: Path, *, leave_out: frozenset[str] = frozenset()) -> Files:
    """Describe everything in a folder, and the folder itself as `.`.

    Args:
        folder: where to look.
        leave_out: paths that are left out with all below them.
    """
    names: dict[tuple[int, int], list[str]] = {}
    paths = [path for path in _walk(folder, ".") if not _is_in(path, leave_out)]
    for path in paths:
        status = (folder / path).lstat()
        names.setdefault((status.st_dev, status.st_ino), []).append(path)
    return {path: _item(folder / path, names) for path in paths}


def left_out(site: Site) -> frozenset[str]:
    """Return what a backup of the data directory leaves out by design, and the database."""
    always = ["owncloud.log", "cron.lock", "owncloud.db"]
    always += [path.name for path in site.data_dir.glob("crash-*.log")]
    for home in site.homes.values():
        below = home.relative_to(site.data_dir)
        always += [f"{below}/uploads", f"{below}/cache"]
    always += [str(path.relative_to(site.data_dir)) for path in site.data_dir.rglob("*.part")]
    return frozenset(always)


def data(site: Site) -> Files:
    """Describe the data directory without what a backup leaves out."""
    return files(site.data_dir, leave_out=left_out(site))


def rows(database: SiteDatabase) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table, but not the locks, which must come back empty."""
    listing = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    if database.kind == "mysql":
        listing = (
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
            " AND table_type = 'BASE TABLE'"
        )
    tables = sorted(name for (name,) in database(listing))
    found = {name: sorted(database(f"SELECT * FROM {name}"), key=repr) for name in tables}
    found.pop(f"{database.prefix}file_locks")
    return found


class State(NamedTuple):
    """An ownCloud at one moment.

    Attributes:
        config: config.php, byte for byte.
        files: the data directory.
        rows: the database.
    """

    config: bytes
    files: Files
    rows: dict[str, list[tuple[Any, ...]]]

    @classmethod
    def of(cls, site: Site) -> State:
        with site.connected() as database:
            found = rows(database)
        return cls(site.config_path.read_bytes(), data(site), found)


def differing(found: Files, wanted: Files) -> dict[str, tuple[Item | None, Item | None]]:
    """Return what is not the same, for a message that can be read."""
    names = sorted(found.keys() | wanted.keys())
    return {n: (found.get(n), wanted.get(n)) for n in names if found.get(n) != wanted.get(n)}


def _walk(folder: Path, name: str) -> Iterator[str]:
    yield name
    with os.scandir(folder) as listing:
        for item in listing:
            path = item.name if name == "." else f"{name}/{item.name}"
            if item.is_dir(follow_symlinks=False):
                yield from _walk(folder / item.name, path)
            else:
                yield path


def _is_in(path: str, folders: frozenset[str]) -> bool:
    parts = path.split("/")
    return any("/".join(parts[: n + 1]) in folders for n in range(len(parts)))


def _item(path: Path, names: dict[tuple[int, int], list[str]]) -> Item:
    status = path.lstat()
    content = ""
    if stat.S_ISREG(status.st_mode):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    elif stat.S_ISLNK(status.st_mode):
        content = str(path.readlink())
    same = sorted(names[status.st_dev, status.st_ino])
    attributes = sorted(os.listxattr(path, follow_symlinks=False))
    return Item(
        stat.filemode(status.st_mode),
        (status.st_uid, status.st_gid),
        status.st_mtime_ns,
        content,
        tuple(same) if len(same) > 1 else (),
        tuple((a, os.getxattr(path, a, follow_symlinks=False)) for a in attributes),
    )

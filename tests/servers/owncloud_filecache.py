"""oc_filecache kept as ownCloud keeps it: sizes summed up, one new etag for all ancestors."""

from __future__ import annotations

import hashlib
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import random

    from tests.servers.owncloud_database import SiteDatabase

_MIMETYPES = (
    ("httpd", ""),
    ("httpd/unix-directory", ""),
    ("application", ""),
    ("application/octet-stream", ".bin"),
    ("text", ""),
    ("text/plain", ".txt"),
    ("text/markdown", ".md"),
    ("image", ""),
    ("image/jpeg", ".jpg"),
)
_DIRECTORY, _OTHER = 2, 4
_COLUMNS = (
    "fileid, storage, path, path_hash, parent, name, mimetype, mimepart, size, mtime,"
    " storage_mtime, etag, permissions, checksum"
)
_INSERT = f"INSERT INTO oc_filecache ({_COLUMNS}) VALUES ({', '.join('?' * 14)})"
_STORAGE_ID_MAX = 64


class _Node(NamedTuple):
    number: int
    storage: int
    path: str
    parent: int
    size: int


class Filecache:
    """The rows of every storage; a path is relative to its storage, '' is the storage's root."""

    def __init__(self, database: SiteDatabase, rng: random.Random) -> None:
        self._database = database
        self._rng = rng
        self._next_id = 1

    def create_mimetypes(self) -> None:
        """Fill oc_mimetypes."""
        self._database.run_many(
            "INSERT INTO oc_mimetypes (id, mimetype) VALUES (?, ?)",
            [(number, name) for number, (name, _) in enumerate(_MIMETYPES, 1)],
        )

    def storage(self, name: str) -> int:
        """Return the number of a storage such as `home::alice`, made where it is new."""
        if len(name) > _STORAGE_ID_MAX:
            name = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
        rows = self._database.rows("SELECT numeric_id FROM oc_storages WHERE id = ?", name)
        if rows:
            return int(rows[0][0])
        return self._database.run("INSERT INTO oc_storages (id) VALUES (?)", name)

    def scan(self, storage: int, folder: Path, *, below: tuple[str, ...]) -> None:
        """Insert rows for a folder and for what is below some of its folders, all of it new."""
        next_id = self._database.rows("SELECT COALESCE(MAX(fileid), 0) + 1 FROM oc_filecache")[0][0]
        self._next_id = int(next_id)
        rows: list[tuple[Any, ...]] = []
        root_id = self._take_id()
        size = sum(
            self._scan(storage, folder, name, root_id, rows)
            for name in below
            if (folder / name).is_dir()
        )
        rows.append(self._row(_Node(root_id, storage, "", -1, size), folder, ""))
        self._database.run_many(_INSERT, rows)

    def changed(self, storage: int, folder: Path, path: str, *, keep_etag: bool = False) -> None:
        """Take over one file or folder from the disk, present or gone."""
        if not (folder / path).exists():
            self._forget(storage, path)
        elif (row := self._find(storage, path)) is None:
            self._insert(storage, folder, path)
        else:
            checksum, size = _checksum(folder / path)
            etag = row["etag"] if keep_etag else self._etag()
            self._database.run(
                "UPDATE oc_filecache SET size = ?, mtime = ?, storage_mtime = ?, etag = ?,"
                " checksum = ? WHERE fileid = ?",
                *(size, *2 * (_mtime(folder / path),), etag, checksum, row["fileid"]),
            )
        self.propagate(storage, path)

    def moved(self, storage: int, old: str, new: str) -> None:
        """Rename a file or folder; fileids stay, as in ownCloud."""
        for (path,) in self._subtree(storage, old):
            target = new + path[len(old) :]
            parent = self._find(storage, _parent(target))
            if parent is None:
                raise LookupError(_parent(target))
            self._database.run(
                "UPDATE oc_filecache SET path = ?, path_hash = ?, name = ?, parent = ?"
                " WHERE storage = ? AND path_hash = ?",
                *(target, _hash(target), Path(target).name, parent["fileid"]),
                *(storage, _hash(path)),
            )
        self.propagate(storage, old)
        self.propagate(storage, new)

    def clear_checksum(self, storage: int, path: str) -> None:
        """Do as ownCloud does after a restore from versions or trash."""
        self._database.run(
            "UPDATE oc_filecache SET checksum = '' WHERE storage = ? AND path_hash = ?",
            *(storage, _hash(path)),
        )

    def added_quietly(self, storage: int, folder: Path, path: str) -> None:
        """Insert a new file without a word to its ancestors' etags, as for previews."""
        if self._find(storage, path) is None:
            self._insert(storage, folder, path)
        self._propagate(storage, path, None)

    def propagate(self, storage: int, path: str) -> None:
        """Give all ancestors of a path one new etag and the sum of their children's sizes."""
        self._propagate(storage, path, self._etag())

    def _propagate(self, storage: int, path: str, etag: str | None) -> None:
        while path:
            path = _parent(path)
            row = self._find(storage, path)
            if row is None:
                continue
            size = self._database.rows(
                "SELECT COALESCE(SUM(size), 0) FROM oc_filecache WHERE parent = ?", row["fileid"]
            )[0][0]
            self._database.run(
                "UPDATE oc_filecache SET etag = ?, size = ? WHERE fileid = ?",
                *(etag or row["etag"], int(size), row["fileid"]),
            )

    def file_id(self, storage: int, path: str) -> int:
        """Return the number of a path that is there."""
        row = self._find(storage, path)
        if row is None:
            raise LookupError(path)
        return int(row["fileid"])

    def _scan(
        self, storage: int, folder: Path, path: str, parent: int, rows: list[tuple[Any, ...]]
    ) -> int:
        number, total = self._take_id(), 0
        with os.scandir(folder / path) as entries:
            children = sorted(entries, key=lambda entry: entry.name)
        for entry in children:
            inner = f"{path}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                total += self._scan(storage, folder, inner, number, rows)
                continue
            if entry.name.endswith(".part"):
                continue
            checksum, size = _checksum(Path(entry.path))
            checksum = checksum if path.partition("/")[0] == "files" else ""
            child = self._take_id()
            rows.append(
                self._row(_Node(child, storage, inner, number, size), folder / inner, checksum)
            )
            total += size
        rows.append(self._row(_Node(number, storage, path, parent, total), folder / path, ""))
        return total

    def _row(self, node: _Node, disk: Path, checksum: str) -> tuple[Any, ...]:
        is_directory = disk.is_dir()
        mimetype = _DIRECTORY if is_directory else _mimetype(node.path)
        names = [name for name, _ in _MIMETYPES]
        part = names.index(names[mimetype - 1].partition("/")[0]) + 1
        name, mtime = Path(node.path).name, _mtime(disk)
        return (
            *(node.number, node.storage, node.path, _hash(node.path), node.parent, name),
            *(mimetype, part, node.size, mtime, mtime),
            *(self._etag(), 31 if is_directory else 27, checksum),
        )

    def _insert(self, storage: int, folder: Path, path: str, *, deep: bool = True) -> None:
        parent = self._find(storage, _parent(path))
        if parent is None:
            self._insert(storage, folder, _parent(path), deep=False)
            parent = self._find(storage, _parent(path))
        if parent is None:
            raise LookupError(path)
        checksum, size = _checksum(folder / path)
        checksum = checksum if path.startswith("files/") else ""
        row = self._row(_Node(0, storage, path, parent["fileid"], size), folder / path, checksum)
        self._database.run(
            f"INSERT INTO oc_filecache ({_COLUMNS.removeprefix('fileid, ')})"
            f" VALUES ({', '.join('?' * 13)})",
            *row[1:],
        )
        if deep and (folder / path).is_dir():
            for child in sorted(entry.name for entry in (folder / path).iterdir()):
                self._insert(storage, folder, f"{path}/{child}")
                self.propagate(storage, f"{path}/{child}")

    def _forget(self, storage: int, path: str) -> None:
        for (inner,) in self._subtree(storage, path):
            self._database.run(
                "DELETE FROM oc_filecache WHERE storage = ? AND path_hash = ?",
                *(storage, _hash(inner)),
            )

    def _subtree(self, storage: int, path: str) -> list[tuple[str]]:
        """Return a path and all below it, parents first."""
        rows = self._database.rows(
            "SELECT path FROM oc_filecache WHERE storage = ? AND SUBSTR(path, 1, ?) = ?",
            *(storage, len(path) + 1, f"{path}/"),
        )
        own = [(path,)] if self._find(storage, path) else []
        return own + sorted((str(inner),) for (inner,) in rows)

    def _find(self, storage: int, path: str) -> dict[str, Any] | None:
        rows = self._database.rows(
            "SELECT fileid, etag FROM oc_filecache WHERE storage = ? AND path_hash = ?",
            *(storage, _hash(path)),
        )
        return {"fileid": rows[0][0], "etag": rows[0][1]} if rows else None

    def _etag(self) -> str:
        return f"{self._rng.getrandbits(128):032x}"

    def _take_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1


def _mimetype(path: str) -> int:
    suffix = Path(path).suffix
    known = {ending: number for number, (_, ending) in enumerate(_MIMETYPES, 1) if ending}
    return known.get(suffix, _OTHER)


def _checksum(path: Path) -> tuple[str, int]:
    """Return the checksum as ownCloud writes it, and the size; of a folder both are nothing."""
    if path.is_dir():
        return "", 0
    sha1 = hashlib.sha1(usedforsecurity=False)
    md5 = hashlib.md5(usedforsecurity=False)
    adler, size = 1, 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            sha1.update(block)
            md5.update(block)
            adler = zlib.adler32(block, adler)
            size += len(block)
    return f"SHA1:{sha1.hexdigest()} MD5:{md5.hexdigest()} ADLER32:{adler:08x}", size


def _mtime(path: Path) -> int:
    return int(path.stat().st_mtime)


def _hash(path: str) -> str:
    return hashlib.md5(path.encode(), usedforsecurity=False).hexdigest()


def _parent(path: str) -> str:
    return path.rpartition("/")[0]

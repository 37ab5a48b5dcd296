"""A storage in a local folder: a disk of its own, a USB disk, an NFS mount.

Objects are files. A file is first written whole under `.incoming/` in the same tree, synced, then
renamed to its name, and the folder is synced: after a power cut there is the whole object or none.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ocsnap.disk import sync_folder
from ocsnap.errors import (
    AccessDeniedError,
    NoRepositoryError,
    ObjectExistsError,
    ObjectMissingError,
    StorageError,
    TransientStorageError,
)
from ocsnap.storage.name import check_range, checked, checked_prefix, is_name
from ocsnap.storage.storage import LONGEST_OBJECT_BYTES, ObjectInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ocsnap.storage.storage import Buffer, Room

INCOMING = ".incoming"
"""Folder of files that are still being written; no object's name begins with a dot."""

ABANDONED_AFTER_SECONDS = 24 * 3600
"""A file in `.incoming/` so much older than a new one was left by a crash."""

_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_FULL = {errno.ENOSPC, errno.EDQUOT}
_PASSING = {errno.EINTR, errno.EAGAIN, errno.ESTALE, errno.ETIMEDOUT, errno.ENETDOWN}
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS}


class LocalStorage:
    """Keeps objects as files that only their owner can read.

    The folder itself is made by the first put, its parent is not: a disk that is not mounted must
    not be mistaken for an empty storage. Checksums are not told, as that would mean reading all.
    """

    def __init__(self, root: Path) -> None:
        """Keep the objects under `root`; nothing is touched yet."""
        self._root = root
        self._swept = False

    def put(self, name: str, data: Buffer, *, sha256: str) -> ObjectInfo:
        """Store an object; see `Storage.put`."""
        del sha256
        path = self._path(name)
        with self._explained("store", name):
            temporary = self._write_incoming(data)
            try:
                self._make_folder(path.parent)
                temporary.rename(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            sync_folder(path.parent)
        return ObjectInfo(name, memoryview(data).nbytes, md5=None, sha256=None)

    def create(self, name: str, data: Buffer, *, sha256: str) -> None:
        """Store an object if there is none; see `Storage.create`.

        Where the file system has no hard links, this is a look followed by a rename: of two
        processes at the very same moment both may believe to have been first.
        """
        del sha256
        path = self._path(name)
        with self._explained("store", name):
            temporary = self._write_incoming(data)
            try:
                self._make_folder(path.parent)
                _link_or_rename(temporary, path)
            except FileExistsError:
                raise ObjectExistsError(f"{name}: is there already.", name=name) from None
            finally:
                temporary.unlink(missing_ok=True)
            sync_folder(path.parent)

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> bytes:
        """Return an object's bytes; see `Storage.get`."""
        check_range(offset, length)
        path = self._path(name)
        with self._explained("read", name), _opened(path) as (descriptor, size_bytes):
            end = size_bytes if length is None else min(size_bytes, offset + length)
            _refuse_longer(end - offset, path, name)
            return _read(descriptor, offset, max(0, end - offset))

    def get_into(self, name: str, room: Room) -> memoryview:
        """Read an object into memory of the caller's; see `Storage.get_into`."""
        path = self._path(name)
        with self._explained("read", name), _opened(path) as (descriptor, size_bytes):
            _refuse_longer(size_bytes, path, name)
            view = room(size_bytes)
            done = 0
            while done < size_bytes:
                count = os.preadv(descriptor, [view[done:]], done)
                if not count:
                    raise TransientStorageError(f"{path}: was cut short meanwhile.", name=name)
                done += count
            return view

    def stat(self, name: str) -> ObjectInfo:
        """Return an object's size; see `Storage.stat`."""
        with self._explained("look at", name):
            found = self._path(name).stat()
            if not stat.S_ISREG(found.st_mode):
                raise FileNotFoundError(errno.ENOENT, "is no file")
            return _info(name, found)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Find objects; see `Storage.list`."""
        folder, _, beginning = checked_prefix(prefix).rpartition("/")
        with self._explained("list", prefix):
            self._check_parent()
            yield from self._walk(folder, beginning)

    def delete(self, name: str) -> None:
        """Remove an object; see `Storage.delete`."""
        self.delete_all([name])

    def delete_all(self, names: Iterable[str]) -> None:
        """Remove many objects; see `Storage.delete_all`."""
        failed: StorageError | None = None
        folders = {}
        for name, path in [(name, self._path(name)) for name in names]:
            try:
                with suppress(ObjectMissingError), self._explained("delete", name):
                    path.unlink()
                    folders[path.parent] = name
            except StorageError as error:
                failed = failed or error
        for folder, name in folders.items():
            with self._explained("delete", name):
                sync_folder(folder)
        if failed is not None:
            raise failed

    def protect(self, name: str) -> None:
        """Do nothing: there is no lock that its owner could not lift; see `Storage.protect`."""
        checked(name)

    def check(self) -> None:
        """Prove that the folder can be read, or that its parent stands; see `Storage.check`."""
        with self._explained("list", ""):
            self._check_parent()
            if self._root.exists() and not self._root.is_dir():
                raise StorageError(f"{self._root}: is no folder.", hint="Name another.")
            with suppress(FileNotFoundError), os.scandir(self._root) as entries:
                next(entries, None)

    def close(self) -> None:
        """Do nothing: no file is left open."""

    def _check_parent(self) -> None:
        if not self._root.parent.is_dir():
            raise NoRepositoryError(
                f"{self._root.parent}: there is no such folder.",
                hint="Create it, or mount the disk that it lies on.",
            )

    def _path(self, name: str) -> Path:
        return self._root / checked(name)

    def _walk(self, folder: str, beginning: str) -> Iterator[ObjectInfo]:
        try:
            with os.scandir(self._root / folder) as entries:
                found = [entry for entry in entries if entry.name.startswith(beginning)]
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in found:
            name = f"{folder}/{entry.name}" if folder else entry.name
            if not is_name(name):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(name, "")
            else:
                with suppress(FileNotFoundError):
                    yield _info(name, entry.stat())

    def _write_incoming(self, data: Buffer) -> Path:
        incoming = self._root / INCOMING
        self._make_folder(incoming)
        path = incoming / secrets.token_hex(16)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            self._sweep_once(incoming, os.fstat(descriptor).st_mtime)
            _write(descriptor, data)
            os.fsync(descriptor)
        except BaseException:
            path.unlink()
            raise
        finally:
            os.close(descriptor)
        return path

    def _sweep_once(self, incoming: Path, now: float) -> None:
        """Remove what crashes left; `now` is the disk's own time, which NFS may see otherwise."""
        if self._swept:
            return
        self._swept = True
        for left in incoming.iterdir():
            with suppress(FileNotFoundError):
                if left.stat().st_mtime < now - ABANDONED_AFTER_SECONDS:
                    left.unlink()

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        if folder != self._root:
            self._make_folder(folder.parent)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        sync_folder(folder.parent)

    @contextmanager
    def _explained(self, verb: str, name: str) -> Iterator[None]:
        """Turn what the operating system says into what the caller can act on."""
        try:
            yield
        except OSError as error:
            raise self._error(error, verb, name) from error

    def _error(self, error: OSError, verb: str, name: str) -> StorageError:
        subject = self._root / name
        reason = f"{subject}: cannot {verb} it: {error.strerror}."
        if error.errno in _ABSENT and verb != "store":
            return ObjectMissingError(f"{subject}: there is no such object.", name=name)
        if error.errno in _ABSENT:
            hint = "Create the folder that holds the repository, or mount the disk it lies on."
            return StorageError(reason, hint=hint, name=name)
        if error.errno in _DENIED:
            hint = "Run ocsnap as the user who owns the repository's folder, and look at its mount."
            return AccessDeniedError(reason, hint=hint, name=name)
        if error.errno in _FULL:
            hint = "Free some space on that disk; nothing half-written was left there."
            return StorageError(reason, hint=hint, name=name)
        if error.errno in _PASSING:
            return TransientStorageError(reason, name=name)
        return StorageError(reason, name=name)


def _info(name: str, status: os.stat_result) -> ObjectInfo:
    return ObjectInfo(name, status.st_size, md5=None, sha256=None, modified=status.st_mtime)


def _link_or_rename(temporary: Path, path: Path) -> None:
    try:
        path.hardlink_to(temporary)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists():
            raise FileExistsError(errno.EEXIST, "is there already") from None
        temporary.rename(path)


def _write(descriptor: int, data: Buffer) -> None:
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[os.write(descriptor, rest) :]


@contextmanager
def _opened(path: Path) -> Iterator[tuple[int, int]]:
    """Open an object; give its descriptor and its size in bytes."""
    # Without waiting: what lies there may be a pipe that nobody writes to.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise FileNotFoundError(errno.ENOENT, "is no file")
        yield descriptor, found.st_size
    finally:
        os.close(descriptor)


def _refuse_longer(size_bytes: int, path: Path, name: str) -> None:
    if size_bytes > LONGEST_OBJECT_BYTES:
        raise StorageError(
            f"{path}: has {size_bytes} bytes, and no object of ocsnap's is so long.",
            hint="Somebody else has put it there.",
            name=name,
        )


def _read(descriptor: int, offset: int, length: int) -> bytes:
    content = os.pread(descriptor, length, offset)
    if len(content) == length:
        return content
    # Linux reads at most 2 GiB at once, and network file systems may give less than asked.
    parts = [content]
    read = len(content)
    while content and read < length:
        content = os.pread(descriptor, length - read, offset + read)
        parts.append(content)
        read += len(content)
    return b"".join(parts)

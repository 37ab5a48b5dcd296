"""Folders that others can write, worked in by root without being led astray.

A home belongs to the web server's user, who may put a symbolic link in the place of any folder at
any moment. So a folder is held open and everything is done relative to it, links are never
followed, and owner and rights are given only in a private folder that nobody else can enter; from
there things are renamed into their places.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from ocsnap.errors import LocalIOError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NO_FOLDER: Final = (errno.ELOOP, errno.ENOTDIR)
_NO_LINKS: Final = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)


class Folder:
    """A folder that is held open.

    Attributes:
        descriptor: its file descriptor.
        shown: its path, for messages only.
    """

    def __init__(self, descriptor: int, shown: str) -> None:
        """Take over an open descriptor."""
        self.descriptor = descriptor
        self.shown = shown

    @classmethod
    def open(cls, path: Path) -> Folder:
        """Open a folder by the path that an administrator gave; links in it are theirs.

        Raises:
            LocalIOError: it cannot be opened.
        """
        try:
            return cls(os.open(path, _FLAGS), str(path))
        except OSError as error:
            raise LocalIOError(f"{path} cannot be opened: {error.strerror}.") from error

    def __enter__(self) -> Self:
        """Return the folder itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        os.close(self.descriptor)

    @property
    def path(self) -> bytes:
        """A path that leads here whatever happens to names, in this process: proc(5)."""
        return b"/proc/self/fd/%d" % self.descriptor

    @property
    def status(self) -> os.stat_result:
        """What the system tells of it."""
        return os.fstat(self.descriptor)

    def look(self, name: bytes) -> os.stat_result | None:
        """Return what stands under a name; None where nothing does."""
        try:
            return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def enter(self, name: bytes) -> Folder:
        """Open a folder in it.

        Raises:
            RefusedError: what stands there is none, but perhaps a link to one.
            LocalIOError: it cannot be opened.
        """
        shown = f"{self.shown}/{os.fsdecode(name)}"
        try:
            descriptor = os.open(name, _FLAGS | os.O_NOFOLLOW, dir_fd=self.descriptor)
        except OSError as error:
            if error.errno in _NO_FOLDER:
                raise RefusedError(
                    f"{shown} is no folder, or a link to one: nothing is put there.",
                    hint="Move it away, or restore elsewhere with --to.",
                ) from error
            raise LocalIOError(f"{shown} cannot be opened: {error.strerror}.") from error
        return Folder(descriptor, shown)

    def descend(self, parts: Sequence[bytes]) -> Folder:
        """Open a folder several steps below, none of them a link.

        Raises:
            RefusedError: one on the way is no folder.
            LocalIOError: one cannot be opened.
        """
        folder = Folder(os.dup(self.descriptor), self.shown)
        for name in parts:
            with folder:
                inner = folder.enter(name)
            folder = inner
        return folder

    def refuse_unless_owned(self, uid: int) -> None:
        """See that root does not write where only root can: to this the owner could not lead it.

        Raises:
            RefusedError: it belongs to somebody else.
        """
        if self.status.st_uid != uid:
            raise RefusedError(
                f"{self.shown} does not belong to the user of ownCloud's files: nothing is put "
                "there.",
                hint="Correct its owner, or restore elsewhere with --to.",
            )

    @contextmanager
    def private(self, note: Path | None = None) -> Iterator[Folder]:
        """Make a folder in it that only we can enter; it is removed at the end.

        Its name ends with .part: neither a backup nor ownCloud's scan takes it for a user's.

        Args:
            note: a file of ours that tells of it as long as it is there, for `remove_leftover`.

        Raises:
            LocalIOError: it cannot be made.
        """
        name = f".ocsnap-restore-{secrets.token_hex(8)}.part".encode()
        shown = f"{self.shown}/{os.fsdecode(name)}"
        try:
            os.mkdir(name, 0o700, dir_fd=self.descriptor)
        except OSError as error:
            raise LocalIOError(f"{shown} cannot be made: {error.strerror}.") from error
        try:
            with self.enter(name) as folder:
                try:
                    folder.refuse_unless_private()
                    if note is not None:
                        note.write_bytes(_note(folder))
                    yield folder
                finally:
                    folder.clear()
        finally:
            # By name, so only if it is empty: another may stand there by now.
            with suppress(OSError):
                os.rmdir(name, dir_fd=self.descriptor)
            if note is not None:
                note.unlink(missing_ok=True)

    def refuse_unless_private(self) -> None:
        """See that this is the folder that was just made.

        Raises:
            RefusedError: somebody exchanged it.
        """
        status = self.status
        ours = status.st_uid == os.geteuid() and not stat.S_IMODE(status.st_mode) & 0o077
        if not ours or self._names():
            raise RefusedError(f"{self.shown} was exchanged by somebody: nothing is put there.")

    def clear(self) -> None:
        """Remove all that is in it, as far as possible."""
        for name in self._names():
            try:
                os.unlink(name, dir_fd=self.descriptor)
            except OSError:
                shutil.rmtree(name, ignore_errors=True, dir_fd=self.descriptor)

    def _names(self) -> list[str]:
        return os.listdir(self.descriptor)  # noqa: PTH208 - it is a descriptor

    def make(self, name: bytes, mode: int, owner: tuple[int, int] | None, private: Folder) -> None:
        """Make a folder in private and rename it in, so that its owner is right from the start.

        Args:
            name: what to make.
            mode: its rights.
            owner: user and group; None: us.
            private: a private folder on the same file system.

        Raises:
            OSError: it is not possible.
        """
        made = b"folder"
        os.mkdir(made, 0o700, dir_fd=private.descriptor)
        os.chmod(made, mode & 0o777, dir_fd=private.descriptor)
        if owner is not None:
            private.give(made, *owner)
        private.rename(made, self, name)

    def rename(self, name: bytes, target: Folder, new: bytes) -> None:
        """Move something into another folder of the same file system.

        Raises:
            OSError: it is not possible.
        """
        os.rename(name, new, src_dir_fd=self.descriptor, dst_dir_fd=target.descriptor)

    def link(self, name: bytes, target: Folder, new: bytes) -> None:
        """Give something that is no folder a second name, where nothing stands.

        Where the file system knows no second names it is moved there.

        Raises:
            OSError: it is not possible; FileExistsError: something stands there.
        """
        places = {"src_dir_fd": self.descriptor, "dst_dir_fd": target.descriptor}
        try:
            os.link(name, new, **places, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS or target.look(new) is not None:
                raise
            self.rename(name, target, new)

    def give(self, name: bytes, uid: int, gid: int) -> None:
        """Give something in a private folder, and all that is in it, to a user.

        Nothing stays setuid or setgid: under another owner it would mean something else.

        Args:
            name: what to give away.
            uid: the new owner.
            gid: the new group.

        Raises:
            OSError: it is not possible.
        """
        self._give_one(name, self.descriptor, uid, gid)
        found = self.look(name)
        if found is None or not stat.S_ISDIR(found.st_mode):
            return
        for _, folders, files, inner in os.fwalk(name, dir_fd=self.descriptor):
            for each in (*folders, *files):
                self._give_one(os.fsencode(each), inner, uid, gid)

    @staticmethod
    def _give_one(name: bytes, folder: int, uid: int, gid: int) -> None:
        os.chown(name, uid, gid, dir_fd=folder, follow_symlinks=False)
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        mode = stat.S_IMODE(status.st_mode)
        if not stat.S_ISLNK(status.st_mode) and mode & 0o6000:
            os.chmod(name, mode & 0o1777, dir_fd=folder)


def remove_leftover(note: Path) -> None:
    """Remove the private folder of a restore that was killed.

    It is known by its inode, not by its name alone: under that a hostile web server could have put
    another folder of ours.

    Args:
        note: the file that `Folder.private` wrote.
    """
    with suppress(OSError, ValueError, KeyError, TypeError, LocalIOError, RefusedError):
        told = json.loads(note.read_bytes())
        path = Path(os.fsdecode(bytes.fromhex(told["path"])))
        with Folder.open(path.parent) as parent, parent.enter(os.fsencode(path.name)) as folder:
            status = folder.status
            same = (status.st_dev, status.st_ino) == (told["device"], told["inode"])
            if same and status.st_uid == os.geteuid():
                folder.clear()
                os.rmdir(os.fsencode(path.name), dir_fd=parent.descriptor)
    note.unlink(missing_ok=True)


def _note(folder: Folder) -> bytes:
    status = folder.status
    path = os.fsencode(folder.shown).hex()
    return json.dumps({"path": path, "device": status.st_dev, "inode": status.st_ino}).encode()

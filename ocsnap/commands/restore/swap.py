"""Putting what was built beside a place into it, and what stood there back, from any point.

A move says of itself how far it has come: what was built is known by its inode, which a rename does
not change. So both directions can be taken again after the process that took them was killed.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.commands.restore.exchange import exchange
from ocsnap.commands.restore.folders import make_closed
from ocsnap.disk import sync_folder
from ocsnap.errors import LocalIOError, RefusedError
from ocsnap.owncloud.deferred_signals import deferred_signals

if TYPE_CHECKING:
    from collections.abc import Iterable

Identity = tuple[int, int]

_NOT_OURS: Final = "lost+found"


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """One folder or file to put in place. Paths are bytes: a name need not be text.

    Attributes:
        built: what was built, on the same file system; empty: nothing comes, and what stands
            there goes (a journal of the SQLite file that is replaced).
        place: where it belongs.
        kept: where what stands there goes; the folder above is made, closed to all others: beside
            a data directory in the web server's own folder nobody shall fetch the old files.
        entries: the place is a mount point, so the entries in it change places instead.
        new: device and inode of what was built.
        names: device and inode of each of its entries, where they change places.
        stood: whether something stood there before.
    """

    built: bytes
    place: bytes
    kept: bytes
    entries: bool = False
    new: Identity | None = None
    names: dict[str, Identity] = {}
    stood: bool = False

    @property
    def built_path(self) -> Path:
        """What was built."""
        return _path(self.built)

    @property
    def place_path(self) -> Path:
        """Where it belongs."""
        return _path(self.place)

    @property
    def kept_path(self) -> Path:
        """Where what stood there is kept."""
        return _path(self.kept)

    def ready(self) -> Move:
        """Return the move with the marks of what was built, which must be whole by now."""
        stood = os.path.lexists(self.place)
        new = _identity(self.built_path) if self.built else None
        if not self.entries:
            return msgspec.structs.replace(self, new=new, stood=stood)
        names = {_mark(path): _identity(path) or (0, 0) for path in self.built_path.iterdir()}
        return msgspec.structs.replace(self, new=new, names=names, stood=stood)


def make(moves: Iterable[Move]) -> None:
    """Put everything in place, also what an interrupted `make` or `undo` has left.

    Args:
        moves: what to do, made `ready` before.

    Raises:
        LocalIOError: something cannot be renamed; `undo` puts back what was done by then.
    """
    with deferred_signals():
        for move in moves:
            try:
                _make_entries(move) if move.entries else _make(move)
                _sync(move)
            except OSError as error:
                raise LocalIOError(
                    f"{move.place_path} cannot be replaced: {error.strerror}.",
                    hint="Check the rights of the folder that it lies in.",
                ) from error


def undo(moves: Iterable[Move]) -> None:
    """Put everything back as it was; where nothing was moved this changes nothing.

    Args:
        moves: what `make` was given.

    Raises:
        LocalIOError: something cannot be put back; the message says where it is.
    """
    with deferred_signals():
        for move in reversed([*moves]):
            try:
                _undo_entries(move) if move.entries else _undo(move)
                _sync(move)
            except OSError as error:
                raise LocalIOError(
                    f"{move.place_path} cannot be put back: {error.strerror}."
                    f" What stood there is in {move.kept_path}.",
                    hint="Mend what stands in the way, then run: ocsnap restore --undo.",
                ) from error


def refuse_unless_kept(moves: Iterable[Move]) -> None:
    """See that a finished swap can be undone.

    Args:
        moves: what `make` was given.

    Raises:
        RefusedError: what stood there was removed since, or something else was put in its place.
    """
    for move in moves:
        if move.stood and not os.path.lexists(move.kept):
            raise RefusedError(f"What stood at {move.place_path} is not kept any more.")
        if not move.entries and move.built and _identity(move.place_path) != move.new:
            raise RefusedError(
                f"{move.place_path} is no longer what the restore has put there.",
                hint=f"Put {move.kept_path} in its place by hand.",
            )


def kept(moves: Iterable[Move]) -> list[str]:
    """Return what was kept of what stood there."""
    return [str(move.kept_path) for move in moves if os.path.lexists(move.kept)]


# -- whole folders and files -----------------------------------------------------------------


def _make(move: Move) -> None:
    place = move.place_path
    if move.new is not None and _identity(move.kept_path) == move.new:
        move.kept_path.rename(move.built_path)  # an undo was cut off
    if move.new is not None and _identity(place) != move.new:
        if not os.path.lexists(place):
            move.built_path.rename(place)
        elif not exchange(move.built_path, place):
            make_closed(move.kept_path.parent)
            place.rename(move.kept_path)
            move.built_path.rename(place)
    old = move.built_path if move.built else place
    if os.path.lexists(old):
        make_closed(move.kept_path.parent)
        _refuse_second(move.kept_path)
        old.rename(move.kept_path)


def _undo(move: Move) -> None:
    place, kept_path = move.place_path, move.kept_path
    if not move.built:
        if os.path.lexists(kept_path) and not os.path.lexists(place):
            kept_path.rename(place)
    else:
        _undo_built(move, place, kept_path)
    with suppress(OSError):  # not there, or it holds what is not ours
        kept_path.parent.rmdir()


def _undo_built(move: Move, place: Path, kept_path: Path) -> None:
    built = move.built_path
    make_closed(built.parent)
    if move.new is not None and _identity(place) == move.new:
        old = next((path for path in (kept_path, built) if os.path.lexists(path)), None)
        if old is None:
            place.rename(built)
        elif not exchange(old, place):
            place.rename(built if old is kept_path else kept_path)
            old.rename(place)
    elif os.path.lexists(kept_path) and not os.path.lexists(place):
        kept_path.rename(place)
    if move.new is not None and _identity(kept_path) == move.new:
        kept_path.rename(built)


# -- the entries of a mount point ------------------------------------------------------------


def _make_entries(move: Move) -> None:
    place, old = move.place_path, move.kept_path
    make_closed(old.parent)
    if not old.exists():
        old.mkdir(mode=0o700)
        _copy_look(place, old)
    for path in _others(place, move):
        if move.names.get(_mark(path)) != _identity(path):
            path.rename(old / path.name)
    if move.built_path.exists():
        look = move.built_path.stat()
        for path in [*move.built_path.iterdir()]:
            path.rename(place / path.name)
        _give_look(look, place)


def _undo_entries(move: Move) -> None:
    place, built, old = move.place_path, move.built_path, move.kept_path
    if not old.exists():
        return
    make_closed(built.parent)
    if not built.exists():
        built.mkdir(mode=0o700)
        _copy_look(place, built)
    for path in _others(place, move):
        if move.names.get(_mark(path)) == _identity(path):
            path.rename(built / path.name)
    look = old.stat()
    for path in [*old.iterdir()]:
        path.rename(place / path.name)
    _give_look(look, place)
    old.rmdir()
    with suppress(OSError):
        old.parent.rmdir()


def _others(place: Path, move: Move) -> list[Path]:
    ours = {move.built_path.parent, move.kept_path.parent}
    return [p for p in place.iterdir() if p not in ours and p.name != _NOT_OURS]


def _copy_look(source: Path, to: Path) -> None:
    """Copy owner, mode and times; attributes of the mount point itself stay as they are."""
    _give_look(source.stat(), to)


def _give_look(look: os.stat_result, to: Path) -> None:
    if os.geteuid() == 0:
        os.chown(to, look.st_uid, look.st_gid)
    to.chmod(stat.S_IMODE(look.st_mode))
    os.utime(to, ns=(look.st_atime_ns, look.st_mtime_ns))


# -- small things ----------------------------------------------------------------------------


def _path(path: bytes) -> Path:
    return Path(os.fsdecode(path))


def _identity(path: Path) -> Identity | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _mark(path: Path) -> str:
    return os.fsencode(path.name).hex()


def _refuse_second(path: Path) -> None:
    if os.path.lexists(path):
        raise OSError(errno.EEXIST, f"{path} is in the way", str(path))


def _sync(move: Move) -> None:
    built = {move.built_path.parent} if move.built else set()
    for folder in {move.place_path.parent, move.kept_path.parent} | built:
        with suppress(FileNotFoundError):
            sync_folder(folder)

"""What a restore is about to change, written down before it does: the way back, and the way on.

One file for each restore, in `backup.state_dir`; it stays until what was kept is removed. It holds
config.php and the database's password, as config.php does, and is readable by its owner alone.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.commands.restore.swap import Move
from ocsnap.database.mysql.place import Place
from ocsnap.database.mysql.programs import Program
from ocsnap.database.settings import DatabaseSettings
from ocsnap.disk import sync_folder
from ocsnap.errors import LocalIOError
from ocsnap.owncloud.durable_file import write_durably

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER: Final = "restores"
_SUFFIX: Final = ".json"


class Phase(StrEnum):
    """How far a restore, or its undoing, has come."""

    BUILDING = "building"
    """Everything is built beside; what stands is untouched."""
    SWITCHING = "switching"
    """What stands may be partly the old and partly the new, and is in maintenance."""
    CLOSING = "closing"
    """The new one stands, whole, and is still in maintenance."""
    DONE = "done"
    """The new one is in use; what stood there is kept."""
    UNDOING = "undoing"
    """As SWITCHING, on the way back."""
    UNDONE = "undone"
    """The old one is in use; what was restored is kept."""


IN_PIECES: Final = frozenset({Phase.SWITCHING, Phase.UNDOING})
UNFINISHED: Final = IN_PIECES | {Phase.BUILDING, Phase.CLOSING}


class ConfigFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of ownCloud's configuration as it is to be when maintenance is lifted.

    Attributes:
        path: where it belongs.
        data: its content.
        mode: its permissions.
        owner: its user and group.
        mtime_ns: its time; None: the time at which it is written.
        folder_mtime_ns: the time of the folder that it lies in.
    """

    path: bytes
    data: bytes
    mode: int
    owner: tuple[int, int]
    mtime_ns: int | None = None
    folder_mtime_ns: int = 0


class MysqlSwap(msgspec.Struct, frozen=True, kw_only=True):
    """A database on a server that is to be swapped in.

    Attributes:
        settings: how to log in.
        place: where it is loaded, where it goes, and the name to keep the other under.
        programs: the views and the like of what stands there.
        loading: whether loading has begun, so that there is something to remove.
    """

    settings: DatabaseSettings
    place: Place
    programs: list[Program] = []
    loading: bool = False


class Journal(msgspec.Struct, frozen=True, kw_only=True):
    """One restore.

    Attributes:
        stamp: its name: the time at which it began.
        phase: how far it has come.
        snapshot: id of the snapshot.
        version: version of ownCloud in the snapshot.
        root: folder of the ownCloud that it is for.
        folders: folders that were made for it and are removed when it is not finished.
        moves: what changes places, the configuration last.
        database: the database on a server, if there is one to swap.
        dump: folder with the dump; needed to finish an interrupted switch.
        brings_config: whether the configuration is restored.
        fingerprint: whether sync clients are told that the data is older than they know.
        found_on: whether the ownCloud that stood there was in maintenance, by its admin's will.
        frozen: whether this restore put it into maintenance.
        opened: the restored configuration, out of maintenance.
        before: config.php as it stood there, out of maintenance.
    """

    stamp: str
    phase: Phase
    snapshot: str
    version: str
    root: str
    folders: list[bytes] = []
    moves: list[Move] = []
    database: MysqlSwap | None = None
    dump: bytes = b""
    brings_config: bool = False
    fingerprint: bool = True
    found_on: bool = False
    frozen: bool = False
    opened: list[ConfigFile] = []
    before: list[ConfigFile] = []


def write(state_dir: Path, journal: Journal) -> None:
    """Write a journal and wait until the disk has it.

    Args:
        state_dir: ocsnap's folder.
        journal: what to write.

    Raises:
        LocalIOError: it cannot be written.
    """
    path = _path(state_dir, journal.stamp)
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_durably(path, msgspec.json.encode(journal, enc_hook=_encoded), mode=0o600)
    except OSError as error:
        raise LocalIOError(f"{path}: cannot be written: {error.strerror}.") from error


def read_all(state_dir: Path) -> list[Journal]:
    """Return all journals, the oldest first.

    Args:
        state_dir: ocsnap's folder.

    Raises:
        LocalIOError: one cannot be read.
    """
    return [_read(path) for path in sorted((state_dir / FOLDER).glob(f"*{_SUFFIX}"))]


def remove(state_dir: Path, journal: Journal) -> None:
    """Remove a journal: nothing is left of its restore that anybody must know of.

    Args:
        state_dir: ocsnap's folder.
        journal: which one.
    """
    path = _path(state_dir, journal.stamp)
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def unfinished(journals: Sequence[Journal]) -> Journal | None:
    """Return the restore that died before its end; there is never more than one."""
    return next((journal for journal in journals if journal.phase in UNFINISHED), None)


def _path(state_dir: Path, stamp: str) -> Path:
    return state_dir / FOLDER / f"{stamp}{_SUFFIX}"


def _read(path: Path) -> Journal:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Journal, dec_hook=_decoded)
    except OSError as error:
        raise LocalIOError(f"{path}: cannot be read: {error.strerror}.") from error
    except msgspec.MsgspecError as error:
        raise LocalIOError(
            f"{path}: is damaged, so a restore can be neither finished nor undone: {error}.",
            hint="What stood there before it is in the folders .ocsnap-old-* beside its place.",
        ) from error


def _encoded(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is unknown")


def _decoded(wanted: type, value: object) -> object:
    if wanted is Path and isinstance(value, str):
        return Path(value)
    raise ValueError(f"{wanted.__name__} is unknown")

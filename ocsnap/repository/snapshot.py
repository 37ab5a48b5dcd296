"""Snapshots: one for each backup, and the last object that a backup writes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from ocsnap.errors import DamagedError
from ocsnap.repository.alarm import Alarm
from ocsnap.repository.blob import NOT_SOUND
from ocsnap.repository.tree import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.repository.blob import Buffer

FORMAT: Final = 1
FOLDER: Final = "snapshots/"
SHORT_ID: Final = 8
MAINTENANCE_FIGURE: Final = "maintenance_seconds"
"""Among the figures of a run: how long its ownCloud was in maintenance mode."""

_TIME: Final = "%Y%m%dT%H%M%SZ"
_PLAIN_PATH: Final = re.compile(rb"(/[^/\0]+)+")
_UPWARDS: Final = frozenset({b".", b".."})
_NO_USERS: Final = frozenset({"", ".", ".."})

Moment = Annotated[float, msgspec.Meta(ge=0, lt=253_402_300_800)]
"""Seconds since the epoch, before the year 10000, which no calendar here knows."""


class RootKind(StrEnum):
    """What a root holds."""

    CONFIG = "config"
    DATA = "data"
    HOME = "home"
    DATABASE = "database"


class Root(msgspec.Struct, frozen=True, kw_only=True):
    """One of the trees of a snapshot.

    Attributes:
        kind: what it holds.
        name: the user of a home, else the kind's name.
        path: where it lay; for a database its name.
        entry: the root directory itself.
        etag: etag of a home's root when it was read.
        rules: digest of the rules by which names were left out.
        walked: when all of it was last walked, whatever its etag said; seconds since the epoch.
        files: number of entries below.
        size_bytes: sum of the sizes of the regular files below.
        watched_files: number of entries in what the guard looks at: of a home its folder `files`.
        watched_bytes: sizes of the regular files there.
    """

    kind: RootKind
    name: str
    path: bytes
    entry: Entry
    etag: str | None = None
    rules: str = ""
    walked: float = 0.0
    files: int = 0
    size_bytes: int = 0
    watched_files: int | None = None
    watched_bytes: int | None = None


class OwncloudRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore must know of the instance.

    Attributes:
        version: ownCloud's version.
        root: folder of its code.
        data_dir: the data directory.
        table_prefix: prefix of its tables.
        database_kind: mysql or sqlite3.
        database_name: name of the database, or path of its file.
        maintenance: whether it was in maintenance before the backup.
    """

    version: str
    root: str
    data_dir: str
    table_prefix: str
    database_kind: str
    database_name: str
    maintenance: bool


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a snapshot object: JSON.

    Attributes:
        format: 1.
        repository: id of the repository that it belongs to.
        started: begin of the backup; seconds since the epoch.
        finished: when it was whole.
        host: name of the machine.
        program: version of ocsnap.
        parent: id of the snapshot it was compared with.
        owncloud: what a restore must know of the instance.
        roots: its trees.
        users: names of the numeric owners that occur.
        groups: names of the numeric groups that occur.
        statistics: the figures of the run.
        errors: number of files that are not in it, or not whole.
        open_files: files that were still being uploaded when it was made, as user and path.
        rows: numbers of rows of the database's tables, by name.
        alarms: what made this backup doubt that all was well.
        rescue: names of the rescue objects that are genuine.
    """

    format: int = FORMAT
    repository: str
    started: Moment
    finished: Moment
    host: str
    program: str
    parent: str | None
    owncloud: OwncloudRecord
    roots: list[Root]
    users: dict[int, str] = {}
    groups: dict[int, str] = {}
    statistics: dict[str, Any] = {}
    errors: int = 0
    open_files: tuple[tuple[str, str], ...] = ()
    rows: dict[str, int] = {}
    alarms: tuple[Alarm, ...] = ()
    rescue: tuple[str, ...] = ()

    @property
    def files(self) -> int:
        """Number of entries in all trees."""
        return sum(root.files for root in self.roots)

    @property
    def size_bytes(self) -> int:
        """Sum of the sizes of all regular files."""
        return sum(root.size_bytes for root in self.roots)


class StoredSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot together with its object.

    Attributes:
        id: SHA-256 of the object's bytes, in hexadecimal.
        name: the object's name.
        snapshot: its content.
    """

    id: str
    name: str
    snapshot: Snapshot

    @property
    def short_id(self) -> str:
        """The first digits of the id, enough for people."""
        return self.id[:SHORT_ID]

    def without_roots(self) -> StoredSnapshot:
        """Return all of it but its trees."""
        bare = msgspec.structs.replace(self.snapshot, roots=[])
        return msgspec.structs.replace(self, snapshot=bare)


def snapshot_name(started: float, digest: str) -> str:
    """Return the name of a snapshot's object.

    Args:
        started: begin of the backup; seconds since the epoch.
        digest: SHA-256 of the object's bytes, in hexadecimal.

    Returns:
        A name whose order is the order in time.
    """
    return f"{FOLDER}{datetime.fromtimestamp(started, UTC):{_TIME}}-{digest}.gpg"


def time_of(name: str) -> float:
    """Return when the backup began whose snapshot has this name, to the second.

    Args:
        name: the object's name.

    Returns:
        Seconds since the epoch.

    Raises:
        DamagedError: it is not the name of a snapshot.
    """
    moment = name.removeprefix(FOLDER).partition("-")[0]
    try:
        return datetime.strptime(moment, _TIME).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise DamagedError(f"{name} is not the name of a snapshot.", name=name) from None


def id_of(name: str) -> str:
    """Return the id that stands in the name of a snapshot's object.

    Raises:
        DamagedError: it is not the name of a snapshot.
    """
    digest = name.removesuffix(".gpg").rpartition("-")[2]
    if len(digest) != 64 or not name.startswith(FOLDER):
        raise DamagedError(f"{name} is not the name of a snapshot.", name=name)
    return digest


def encode(snapshot: Snapshot) -> bytes:
    """Return a snapshot as bytes."""
    return msgspec.json.format(msgspec.json.encode(snapshot), indent=1)


def decode(data: Buffer, *, name: str) -> Snapshot:
    """Read a snapshot.

    Args:
        data: the decrypted object.
        name: the object's name, for messages.

    Returns:
        The snapshot.

    Raises:
        DamagedError: it cannot be read, is of a later format, or names places that a restore could
            be led astray by.
    """
    try:
        snapshot = msgspec.json.decode(data, type=Snapshot)
    except NOT_SOUND as error:
        raise DamagedError(f"{name} is no sound snapshot: {error}.", name=name) from error
    if snapshot.format != FORMAT:
        raise DamagedError(
            f"{name} has format {snapshot.format}, which this ocsnap does not know.",
            name=name,
            hint="Use a newer ocsnap.",
        )
    for text in _odd_places(snapshot):
        raise DamagedError(f"{name} names a place that no backup has: {text!r}.", name=name)
    return snapshot


def _odd_places(snapshot: Snapshot) -> Iterator[str | bytes]:
    """Find paths that lead elsewhere than they seem to: `/data/../etc` is not below `/data`."""
    for root in snapshot.roots:
        if root.kind is not RootKind.DATABASE and not _is_plain(root.path):
            yield root.path
        if root.kind is RootKind.HOME and root.name in _NO_USERS:
            yield root.name
    owncloud = snapshot.owncloud
    if owncloud.database_kind == "sqlite3":
        path = owncloud.database_name.encode("utf-8", "surrogateescape")
        if path.startswith(b"/") and not _is_plain(path):
            yield owncloud.database_name


def _is_plain(path: bytes) -> bool:
    return _PLAIN_PATH.fullmatch(path) is not None and _UPWARDS.isdisjoint(path.split(b"/"))

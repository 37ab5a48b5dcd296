"""What is asked of a restore, what it is about to do, and what it tells of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.commands.restore.destination import SiteChoice
from ocsnap.commands.restore.estimate import Estimate
from ocsnap.commands.restore.layout import Part
from ocsnap.repository.selector import LATEST

if TYPE_CHECKING:
    from pathlib import Path

ALL_PARTS: Final = frozenset(Part)


@dataclass(frozen=True)
class RestoreOptions:
    """What to restore, and where to.

    Attributes:
        parts: which parts of the snapshot.
        snapshot: how the snapshot is named; see `select`.
        target: an empty or absent folder for the files and the dump; None: where they were.
        database_name: load the database under this name instead of its own.
        devices: make device nodes, which only root may.
        site: where a whole site goes, if not to its old paths.
        checksum: read every file that stands there, rather than trust inode and times.
        fingerprint: whether sync clients are told that the data is older than they know.
        dry_run: stop when all is known that would be done.
    """

    parts: frozenset[Part] = ALL_PARTS
    snapshot: str = LATEST
    target: Path | None = None
    database_name: str | None = None
    devices: bool = False
    site: SiteChoice = field(default_factory=SiteChoice)
    checksum: bool = False
    fingerprint: bool = True
    dry_run: bool = False


class RestorePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore is about to do.

    Attributes:
        snapshot: id of the snapshot.
        started: when its backup began; seconds since the epoch.
        replaced: folders and databases that it replaces; they are kept under other names.
        estimate: what is written, fetched and taken over, how long it takes and what it costs.
        doubts: why the snapshot may hold what an accident or an attack has left.
    """

    snapshot: str
    started: float
    replaced: list[str]
    estimate: Estimate
    doubts: list[str] = []


class RestoreOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore did.

    Attributes:
        snapshot: id of the snapshot.
        files: entries restored.
        size_bytes: sizes of the regular files.
        reused_bytes: sizes of those that were taken from what stood there.
        failed: paths that could not be restored, or not whole.
        left_out: sockets, and devices unless they were asked for.
        places: where the files are now.
        kept: where what stood there before is now.
        database: where the database is now; None if none was loaded.
        kept_database: where the previous database is now.
        tables: tables loaded.
        rows: rows loaded.
        seconds: how long it took.
        notes: sentences worth reading.
        is_open: whether users can work; False: maintenance is left on, and `steps` say why.
        awaits_code: whether that is because the code of ownCloud is not there yet.
        steps: what the admin has to do, in order.
        estimate: what was to be done; all that there is of a dry run.
        dry_run: whether nothing was done.
        replaced: what is replaced.
    """

    snapshot: str
    files: int
    size_bytes: int
    failed: list[str]
    left_out: list[str]
    places: list[str]
    kept: list[str]
    database: str | None
    kept_database: str | None
    tables: int
    rows: int
    seconds: float
    notes: list[str]
    is_open: bool = True
    awaits_code: bool = False
    reused_bytes: int = 0
    steps: list[str] = []
    estimate: Estimate | None = None
    dry_run: bool = False
    replaced: list[str] = []

"""What is asked of a restore for one user, what it is about to do, and what it tells of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from ocsnap.commands.restore.estimate import Estimate
from ocsnap.repository.selector import LATEST

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class UserRestoreOptions:
    """What to restore, and where to.

    Attributes:
        user: whose.
        path: a file or folder, as the user sees it; None: the whole home with what the database
            knows of the user.
        snapshot: how the snapshot is named; see `select`.
        to: a folder that it is put into; None: into the cloud that runs.
        replace: let what stands there now be replaced; else it is kept under another name.
        dry_run: only tell what would be done.
        without: topics of rows that are left out; see `topics`.
    """

    user: str
    path: str | None = None
    snapshot: str = LATEST
    to: Path | None = None
    replace: bool = False
    dry_run: bool = False
    without: frozenset[str] = frozenset()


class FileAction(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with one path.

    Attributes:
        act: put (nothing stands there), exchange (something else does), leave (an older version or
            trash of which the present one stays).
        path: the path in the home; a folder stands for all that is in it.
        entries: how many files and folders that is.
        size_bytes: their sizes.
    """

    act: str
    path: str
    entries: int
    size_bytes: int


class RowAction(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with one row of the snapshot's database.

    Attributes:
        act: insert, update, present (it is there already), or skip.
        table: the table.
        row: what identifies it, for people.
        reason: why it is skipped.
    """

    act: str
    table: str
    row: str
    reason: str = ""


class UserRestorePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore is about to do.

    Attributes:
        snapshot: id of the snapshot.
        started: when its backup began; seconds since the epoch.
        user: whose.
        put: entries that come where nothing stands.
        exchanged: entries that come where something else stands.
        size_bytes: bytes that are restored.
        rows: rows that are inserted or changed.
        replace: whether what stands there is replaced instead of kept.
        doubts: why the snapshot may hold what an accident or an attack has left.
        estimate: what is fetched, how long it takes and what it costs.
    """

    snapshot: str
    started: float
    user: str
    put: int
    exchanged: int
    size_bytes: int
    rows: int
    replace: bool
    doubts: list[str]
    estimate: Estimate


class UserRestoreOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore did, or, with `dry_run`, would do.

    Attributes:
        snapshot: id of the snapshot.
        user: whose.
        dry_run: whether nothing was done.
        actions: what is done with each path that is not right already.
        same: files that are right already.
        restored: entries restored.
        size_bytes: sizes of the files restored.
        place: where it is now.
        kept: what stood there, as pairs of path and present path.
        failed: paths that are damaged in the repository.
        left_out: sockets and devices.
        scanned: what `occ files:scan` was called with.
        scan_failure: why it failed; then ownCloud does not know of the files yet.
        rows: what is done with each row.
        notes: sentences worth reading.
        seconds: how long it took.
        estimate: what is fetched, how long it takes and what it costs; of a dry run only.
    """

    snapshot: str
    user: str
    dry_run: bool
    actions: list[FileAction]
    same: int
    restored: int
    size_bytes: int
    place: str
    kept: list[tuple[str, str]]
    failed: list[str]
    left_out: list[str]
    scanned: list[str]
    scan_failure: str | None
    rows: list[RowAction]
    notes: list[str]
    seconds: float
    estimate: Estimate | None = None

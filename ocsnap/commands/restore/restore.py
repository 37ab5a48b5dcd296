"""`ocsnap restore`: files and database as they were.

All is built and checked beside the place where it belongs: the files on the same file system, the
database in a schema of its own. Only then is ownCloud frozen and everything exchanged. What stood
there is kept under another name, and a journal knows the way back.
"""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.commands.context import connect, state_dir
from ocsnap.commands.reporting.hooks import HookPoint, demand
from ocsnap.commands.repository_lock import reader_lock
from ocsnap.commands.restore.builder import Builder, Built
from ocsnap.commands.restore.checks import refuse_if_site_unfit, refuse_inner_mounts
from ocsnap.commands.restore.closing import Closing, at
from ocsnap.commands.restore.destination import Destination, destination
from ocsnap.commands.restore.estimate import RATE_NOTE, Estimate, Estimator, note_rate
from ocsnap.commands.restore.folders import refuse_unless_empty
from ocsnap.commands.restore.journal import Journal, Phase
from ocsnap.commands.restore.keeping import kept_folders
from ocsnap.commands.restore.layout import (
    Layout,
    Part,
    database_root,
    layout_elsewhere,
    layout_in_place,
    roots_of,
)
from ocsnap.commands.restore.report import RestoreOptions, RestoreOutcome, RestorePlan
from ocsnap.commands.restore.room import check_room
from ocsnap.commands.restore.switchover import Switchover
from ocsnap.commands.restore.undo import settle
from ocsnap.commands.run_lock import run_lock
from ocsnap.commands.runs.recorder import recorded
from ocsnap.commands.site import open_site
from ocsnap.commands.snapshots import choose, readable
from ocsnap.config import UNKNOWN_ROOT
from ocsnap.errors import ExitStatus, RefusedError
from ocsnap.repository.alarm import doubts
from ocsnap.repository.lock_survey import Purpose
from ocsnap.snapshot.restorer import Placement
from ocsnap.snapshot.reuse import can_share
from ocsnap.storage.prices import billing

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocsnap.commands.context import Context
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.snapshot import Snapshot, StoredSnapshot

_STAMP: Final = "%Y%m%d-%H%M%S.%f"


def restore(
    context: Context, options: RestoreOptions, confirm: Callable[[RestorePlan], bool]
) -> RestoreOutcome:
    """Restore a snapshot or parts of it.

    Args:
        context: the outside world.
        options: what and where to.
        confirm: asked before anything that stands is replaced.

    Returns:
        What was restored; files that are damaged in the repository are named there.

    Raises:
        RefusedError: `confirm` said no, or the target is not empty.
        MaintenanceLeftOnError: all was restored, but could not be opened.
        OcsnapError: nothing was changed.
    """
    if options.devices and not context.superuser:
        raise RefusedError("Only root can make devices.", hint="Run as root, or without --devices.")
    folder = state_dir(context)
    with run_lock(folder, "a restore"), recorded(context, folder, "restore") as record:
        context = record.context
        if options.target is None and not options.dry_run:
            settle(context, folder)
        opened = connect(context, reads_only=True)
        with (
            closing(opened.repository) as repository,
            reader_lock(repository, Purpose.RESTORE, context.random, context.monitor),
        ):
            context.monitor.step("Checking")
            repository.synchronise(context.monitor)
            found = readable(repository, context.monitor)
            root = str(context.config.owncloud.root)
            stored = choose(found, options.snapshot, root=root, host=context.host)
            doubted = doubts(repository, found, stored, context.monitor)
            run = _Restore(context, options, folder, repository, stored, doubted)
            outcome = run.run(confirm, lambda: opened.traffic.got_bytes)
            record.conclude(ExitStatus.DAMAGED if outcome.failed else ExitStatus.OK)
            return outcome


@dataclass
class _Restore:
    """One run."""

    context: Context
    options: RestoreOptions
    folder: Path
    repository: Repository
    stored: StoredSnapshot
    doubts: list[str]

    def run(
        self, confirm: Callable[[RestorePlan], bool], got_bytes: Callable[[], int]
    ) -> RestoreOutcome:
        clock = self.context.clock
        began = clock.monotonic()
        stamp = datetime.fromtimestamp(clock.now(), UTC).strftime(_STAMP)
        place = self._destination()
        layout = self._layout(place, stamp)
        self._refuse_if_unfit(place, layout)
        plan = self._plan(place, layout)
        if self.options.dry_run:
            return self._dry(plan, layout)
        self._check_room(layout, plan.estimate)
        if plan.replaced and not confirm(plan):
            raise RefusedError("Nothing was restored.", hint="Confirm it, or give --yes.")
        demand(self.context, HookPoint.BEFORE_RESTORE)
        got, before = got_bytes(), clock.monotonic()
        if place is not None:
            self.context = at(self.context, place.root)
        journal = self._journal(stamp, place, layout)
        switchover = Switchover(self.context, self.folder, journal)
        builder = Builder(switchover, self.options, self.repository, self.snapshot, place)
        built = builder.build(layout)
        note_rate(self.repository, RATE_NOTE, got_bytes() - got, clock.monotonic() - before)
        end = builder.put_in_place()
        return self._outcome(plan, built, switchover.journal, end, clock.monotonic() - began)

    @property
    def snapshot(self) -> Snapshot:
        return self.stored.snapshot

    # -- before anything is touched ----------------------------------------------------------

    def _destination(self) -> Destination | None:
        """Return where a site goes, None for files that go into a folder of their own."""
        if self.options.target is not None:
            return None
        configured = self.context.config.owncloud.root
        known = None if configured == UNKNOWN_ROOT else configured
        return destination(self.snapshot, self.options.site, known)

    def _layout(self, place: Destination | None, stamp: str) -> Layout:
        parts, target = self.options.parts, self.options.target
        if target is not None:
            return layout_elsewhere(self.snapshot, parts, target.absolute())
        if place is None:
            raise AssertionError("either a target or a destination")
        return layout_in_place(self.snapshot, parts, place, stamp)

    def _refuse_if_unfit(self, place: Destination | None, layout: Layout) -> None:
        if self.options.target is not None:
            refuse_unless_empty(self.options.target)
        for move in layout.moves:
            refuse_inner_mounts(move.place_path)
        if place is not None:
            refuse_if_site_unfit(
                at(self.context, place.root), self.folder, self.options, self.snapshot
            )

    def _check_room(self, layout: Layout, estimate: Estimate) -> None:
        needs = [
            (Path(os.fsdecode(placement.target)), placement.root.size_bytes)
            for placement in layout.placements
        ]
        dump = database_root(roots_of(self.snapshot, self.options.parts))
        if dump is not None and self.options.target is None:
            needs.append((self.folder, dump.size_bytes))
            if self.snapshot.owncloud.database_kind == "sqlite3":
                needs.append((Path(self.snapshot.owncloud.database_name), dump.size_bytes))
        check_room(needs, shared_bytes=estimate.reuse_bytes if _shares(layout) else 0)

    def _plan(self, place: Destination | None, layout: Layout) -> RestorePlan:
        replaced = [str(move.place_path) for move in layout.moves if os.path.lexists(move.place)]
        if place is not None and Part.DATABASE in self.options.parts:
            name = self._database_name(place)
            if self.snapshot.owncloud.database_kind != "sqlite3" or os.path.lexists(name):
                replaced.append(f"database {name}")
        elif self.options.database_name is not None:
            replaced.append(f"database {self.options.database_name}")
        self.context.monitor.step("Comparing with what stands there")
        estimator = Estimator(
            self.repository,
            checksum=self.options.checksum,
            prices=billing(self.context.config.repository),
        )
        placements = list(layout.placements)
        dump = database_root(roots_of(self.snapshot, self.options.parts))
        if dump is not None and self.options.target is None:
            placements.append(Placement(dump, b""))
        return RestorePlan(
            snapshot=self.stored.id,
            started=self.snapshot.started,
            replaced=replaced,
            estimate=estimator.estimate(placements),
            doubts=self.doubts,
        )

    def _database_name(self, place: Destination) -> str:
        options, record = self.options, self.snapshot.owncloud
        if Part.CONFIG not in options.parts:
            context = at(self.context, place.root)
            name = open_site(context, self.folder, demand_data=False).settings.name
        else:
            known = place.root == self.context.config.owncloud.root
            configured = self.context.config.database.name if known else None
            name = options.site.db_name or configured or place.relocation.text(record.database_name)
        if options.database_name is None:
            return name
        sqlite = record.database_kind == "sqlite3"
        return str(Path(name).parent / options.database_name) if sqlite else options.database_name

    def _journal(self, stamp: str, place: Destination | None, layout: Layout) -> Journal:
        built = [os.fsencode(move.built_path.parent) for move in layout.moves]
        scratch = self.folder / f"restore-{stamp}"
        return Journal(
            stamp=stamp,
            phase=Phase.BUILDING,
            snapshot=self.stored.id,
            version=self.snapshot.owncloud.version,
            root=str(self.context.config.owncloud.root if place is None else place.root),
            folders=[*dict.fromkeys(built), os.fsencode(scratch)],
            moves=layout.moves,
            dump=os.fsencode(scratch / "dump"),
            brings_config=Part.CONFIG in self.options.parts,
            fingerprint=self.options.fingerprint,
        )

    # -- what is told ------------------------------------------------------------------------

    def _dry(self, plan: RestorePlan, layout: Layout) -> RestoreOutcome:
        nothing = Built()
        outcome = self._outcome(plan, nothing, None, None, 0.0)
        places = [str(move.place_path) for move in layout.moves] or outcome.places
        return msgspec.structs.replace(outcome, places=places, dry_run=True)

    def _outcome(
        self,
        plan: RestorePlan,
        built: Built,
        journal: Journal | None,
        end: Closing | None,
        seconds: float,
    ) -> RestoreOutcome:
        target = self.options.target
        moves = [] if journal is None else journal.moves
        folders = [move for move in moves if move.place_path.is_dir()]
        kept = kept_folders(journal) if journal is not None else []
        return RestoreOutcome(
            snapshot=self.stored.id,
            files=built.report.files,
            size_bytes=built.report.size_bytes,
            reused_bytes=built.report.reused_bytes,
            failed=[built.final(path) for path in built.report.failed],
            left_out=[built.final(path) for path in built.report.left_out],
            places=[str(move.place_path) for move in folders] if target is None else [str(target)],
            kept=[str(path) for path in kept if path.is_dir()],
            database=built.loaded.database if built.loaded else None,
            kept_database=built.kept_file or (built.loaded.kept if built.loaded else None),
            tables=built.loaded.tables if built.loaded else 0,
            rows=built.loaded.rows if built.loaded else 0,
            seconds=seconds,
            notes=[*self.doubts, *built.notes, *(end.notes if end else [])],
            is_open=end is None or end.is_open or end.found_on,
            awaits_code=end is not None and end.awaits_code,
            steps=end.steps if end else [],
            estimate=plan.estimate,
            replaced=plan.replaced,
        )


def _shares(layout: Layout) -> bool:
    """Return whether what stands there takes no room a second time."""
    folders = {move.place_path.parent for move in layout.moves if move.place_path.is_dir()}
    return bool(folders) and all(can_share(os.fsencode(folder)) for folder in folders)

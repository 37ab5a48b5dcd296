"""Prune: removes snapshots that no rule keeps, and in two phases what nobody needs any more.

The order is what makes it safe beside running backups and restores, and against its own death at
any point; docs/prune.md tells why. Each step is announced to the monitor by its name.

1. What was marked and is needed again is released.
2. What was marked long enough, and nobody relies on, leaves the index, then the storage.
3. Snapshots go.
4. What is needed of packs that are mostly garbage is copied into new ones.
5. What nobody needs now is marked: from here on nothing new relies on it.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.errors import AccessDeniedError, NoSecretKeyError
from ocsnap.repository import snapshot as snapshots
from ocsnap.repository.alarm import demand_acknowledged, unacknowledged
from ocsnap.repository.index import INDEX_OF_NONE, pack_id
from ocsnap.repository.index_rewrite import rewrite_index
from ocsnap.repository.marks import Marks, put_marks
from ocsnap.repository.prune_plan import Planner, is_ripe
from ocsnap.repository.prune_report import JudgedSnapshot, PruneReport
from ocsnap.repository.repack import Repacker
from ocsnap.repository.repository import MOST_INDEXED_BLOBS
from ocsnap.storage.storage import DELETE_BATCH_OBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ocsnap.monitor import Monitor
    from ocsnap.repository.lock import Lock
    from ocsnap.repository.lock_survey import LockSurvey
    from ocsnap.repository.marks import Moments
    from ocsnap.repository.needs import Needs, PackNeed
    from ocsnap.repository.prune_plan import Plan, PrunePolicy
    from ocsnap.repository.repository import Repository

REMEMBERED_SECONDS: Final = 100 * 86_400.0
"""So long other hosts are told of what was removed; one that comes later takes it for lost."""

MOST_SMALL_INDEXES: Final = 24
_SMALL_INDEX_BLOBS: Final = MOST_INDEXED_BLOBS // 10


class Pruner:
    """Prunes one repository, once."""

    def __init__(self, repository: Repository, policy: PrunePolicy, *, monitor: Monitor) -> None:
        """Prepare.

        Args:
            repository: an open one, synchronised or not.
            policy: what stays, and for how long.
            monitor: is told of each step and of what cannot be read.

        Raises:
            NoSecretKeyError: this host cannot read what snapshots need.
        """
        if not repository.cipher.can_decrypt:
            raise NoSecretKeyError(
                "This host has not the secret key, so it cannot tell what snapshots need.",
                hint="Prune on a machine that has it; pin and unpin work here, too.",
            )
        self._repository = repository
        self._storage = repository.storage
        self._policy = policy
        self._monitor = monitor
        self._planner = Planner(repository, policy, monitor=monitor)
        self._report = PruneReport()
        self._removed: Moments = {}
        self._announced: set[str] = set()

    def look(self, *, now: float) -> PruneReport:
        """Tell what a prune would do; needs no right to write.

        Args:
            now: seconds since the epoch.

        Raises:
            OcsnapError: the repository cannot be looked at.
        """
        with ExitStack() as stack:
            plan, _ = self._planner.plan(stack, now=now, relied_since=float("inf"))
            self._tell(plan)
            waiting = unacknowledged(self._repository, self._planner.stored, self._monitor)
            report = self._report
            report.open_alarms = [stored.short_id for stored in waiting]
            report.dry_run = True
            report.removed_snapshots = len(plan.leaving)
            report.removed_packs, report.removed_bytes = _sum(plan.ripe)
            report.repacked_packs, report.repacked_bytes = _sum(plan.sparse)
            report.marked_packs, report.marked_bytes = _sum([*plan.garbage, *plan.sparse])
            report.released_packs = len(plan.released)
        return report

    def prune(self, lock: Lock) -> PruneReport:
        """Do it.

        Args:
            lock: taken, for this purpose.

        Returns:
            What was done, and what could not be.

        Raises:
            AlarmError: a snapshot has alarms that nobody has acknowledged.
            BusyError: the lock was lost; nothing more was done after that.
            OcsnapError: the storage or the key fails; another prune goes on from there.
        """
        survey = lock.survey()
        with ExitStack() as stack:
            plan, needs = self._planner.plan(
                stack, now=survey.now, relied_since=survey.relied_since
            )
            demand_acknowledged(self._repository, self._planner.stored, self._monitor)
            self._report.waits_for = [other.describe() for other in survey.others]
            self._release(plan, lock)
            self._sweep(plan, plan.ripe, lock, gone=plan.gone)
            if self._remove_snapshots(plan, lock):
                # What stays although no rule keeps it is needed like the others.
                self._planner.weigh(plan, needs)
            left = [pack for pack in (*plan.waiting, *plan.ripe) if pack.name not in self._removed]
            plan.waiting = left
            self._mark(plan, self._repack(plan, needs), lock)
            if self._policy.grace_seconds == 0:
                self._sweep_at_once(plan, lock)
            self._clean_up(plan, survey)
            self._tell(plan)
        return self._report

    # -- marked packs ------------------------------------------------------------------------

    def _release(self, plan: Plan, lock: Lock) -> None:
        """First of all: a snapshot that is removed later in this run may be all that needs them."""
        self._report.released_packs = len(plan.released)
        if not plan.released:
            return
        self._monitor.step("Releasing what is needed again")
        lock.demand()
        names = {pack.name for pack in plan.released}
        doomed = {
            name: since for name, since in plan.marks.marks.doomed.items() if name not in names
        }
        self._put_marks(plan, doomed)

    def _sweep(
        self, plan: Plan, packs: Sequence[PackNeed], lock: Lock, *, gone: Sequence[str] = ()
    ) -> None:
        """Remove packs: from the index first, so that it never lists what is not there.

        Those that are gone may be listed: by a backup that died when it woke up late.
        """
        cache = self._repository.cache
        names = {pack.name: pack.size_bytes for pack in packs}
        without = {*names, *gone}
        old = {index_id for name in without for index_id in cache.indexes_of(pack_id(name))}
        small = cache.small_indexes(_SMALL_INDEX_BLOBS)
        if len(small) > MOST_SMALL_INDEXES:
            old |= small
        try:
            if old:
                self._monitor.step("Rewriting the index")
                lock.demand()
                # Who may not remove the old ones would add new ones time and again.
                self._storage.delete(INDEX_OF_NONE)
                rewritten = rewrite_index(
                    self._repository,
                    old=old,
                    without=without,
                    announce=lambda names: self._announce(plan, names, lock),
                )
                self._forget(rewritten)
                self._report.removed_indexes += len(old)
        except AccessDeniedError as error:
            self._report.denied.append(error.message)
            return
        if names:
            self._monitor.step("Removing old packs", total_bytes=sum(names.values()))
            self._remove_packs(names, lock)

    def _remove_packs(self, names: dict[str, int], lock: Lock) -> None:
        for batch in _batches(sorted(names)):
            lock.demand()
            left = self._delete(batch, ("packs/", "meta/"))
            for name in batch:
                if name not in left:
                    self._repository.cache.drop_pack(pack_id(name))
                    self._report.removed_packs += 1
                    self._report.removed_bytes += names[name]
                    self._forget([name])
                    self._monitor.advance(size_bytes=names[name])

    def _sweep_at_once(self, plan: Plan, lock: Lock) -> None:
        """Remove what was just marked, where no time of grace is wanted and nobody else is here."""
        survey = lock.survey()
        there = {info.name for info in self._storage.list(snapshots.FOLDER)}
        if there - plan.present:
            return  # a backup that has just ended may rely on some of it
        doomed = plan.marks.marks.doomed
        ripe = [
            pack
            for pack in (*plan.garbage, *plan.sparse, *plan.waiting)
            if pack.name in doomed
            and is_ripe(doomed[pack.name] or 0.0, survey.now, survey.relied_since, 0.0)
        ]
        if not ripe or plan.obstacles:
            return
        self._sweep(plan, ripe, lock)
        plan.waiting = [pack for pack in plan.waiting if pack.name not in self._removed]
        self._put_marks(plan, {n: s for n, s in doomed.items() if n not in self._removed})

    # -- snapshots ---------------------------------------------------------------------------

    def _remove_snapshots(self, plan: Plan, lock: Lock) -> bool:
        """Remove what no rule keeps; return whether some could not be removed."""
        if not plan.leaving:
            return False
        self._monitor.step("Removing snapshots")
        self._announce(plan, plan.leaving, lock)
        left: set[str] = set()
        for batch in _batches(plan.leaving):
            lock.demand()
            for name in batch:
                # Before it goes: if this ends half-way, this host must not miss it.
                self._repository.cache.expect_no_more(name)
                self._repository.cache.drop_snapshot(name)
            left |= self._delete(batch, (snapshots.FOLDER,))
        gone = [name for name in plan.leaving if name not in left]
        self._forget(gone)
        self._report.removed_snapshots = len(gone)
        plan.leaving = gone
        return bool(left)

    # -- garbage -----------------------------------------------------------------------------

    def _repack(self, plan: Plan, needs: Needs) -> list[PackNeed]:
        packs, size_bytes = _sum(plan.sparse)
        if not packs:
            return []
        self._monitor.step("Repacking what is mostly garbage", total_bytes=size_bytes)
        done = Repacker(self._repository, needs, monitor=self._monitor).repack(plan.sparse)
        self._report.repacked_packs, self._report.repacked_bytes = _sum(done)
        return done

    def _mark(self, plan: Plan, repacked: Sequence[PackNeed], lock: Lock) -> None:
        new = [*plan.garbage, *repacked]
        self._report.marked_packs, self._report.marked_bytes = _sum(new)
        doomed = {
            name: since
            for name, since in plan.marks.marks.doomed.items()
            if name not in self._removed and name not in plan.gone
        }
        doomed |= dict.fromkeys(pack.name for pack in new)
        if doomed == plan.marks.marks.doomed and not self._removed and not self._announced:
            return
        self._monitor.step("Marking what nobody needs")
        lock.demand()
        self._put_marks(plan, doomed)

    def _announce(self, plan: Plan, names: Sequence[str], lock: Lock) -> None:
        """Tell all hosts what is about to go: if this run dies half-way, nobody misses it."""
        lock.demand()
        self._announced.update(names)
        self._put_marks(plan, plan.marks.marks.doomed, going=names)

    def _put_marks(self, plan: Plan, doomed: Moments, *, going: Sequence[str] = ()) -> None:
        old = plan.marks.marks
        removed = _recent(old.removed, plan.now) | dict.fromkeys(plan.gone) | self._removed
        # What was announced and could not be removed after all, now or by a prune that has died.
        stays = (self._announced | plan.present) - self._removed.keys()
        removed = {name: since for name, since in removed.items() if name not in stays}
        removed |= dict.fromkeys(going)
        marks = Marks(
            repository=self._repository.id,
            doomed=doomed,
            lost=_recent(old.lost, plan.now),
            removed=removed,
        )
        stored = put_marks(self._storage, marks, after=plan.marks.number)
        older = (*plan.marks.older, *([f"marks/{plan.marks.number}"] if plan.marks.number else []))
        plan.marks = msgspec.structs.replace(stored, older=older)

    def _forget(self, names: Iterable[str]) -> None:
        """Tell other hosts, with the next marks, what is gone."""
        self._removed |= dict.fromkeys(names)

    # -- the end -----------------------------------------------------------------------------

    def _clean_up(self, plan: Plan, survey: LockSurvey) -> None:
        """Remove small objects that the dead and the past have left."""
        leftovers = [*survey.leftovers, *plan.marks.older, *plan.of_none]
        if not leftovers:
            return
        self._monitor.step("Cleaning up")
        left = self._delete(leftovers, ("locks/", "marks/", "pins/", "acknowledged/"))
        self._report.removed_leftovers = len(leftovers) - len(left)

    def _delete(self, names: Sequence[str], folders: Sequence[str]) -> set[str]:
        """Remove objects; return those that may not be removed."""
        try:
            self._storage.delete_all(names)
        except AccessDeniedError as error:
            self._report.denied.append(error.message)
            there = {info.name for folder in folders for info in self._storage.list(folder)}
            return there.intersection(names)
        return set()

    def _tell(self, plan: Plan) -> None:
        report = self._report
        report.snapshots = [
            JudgedSnapshot(
                id=verdict.stored.id,
                started=verdict.stored.snapshot.started,
                host=verdict.stored.snapshot.host,
                stays=verdict.stays,
                reasons=verdict.reasons,
            )
            for verdict in plan.verdicts
        ]
        report.waiting_packs, report.waiting_bytes = _sum(plan.waiting)
        report.obstacles = plan.obstacles
        report.lost_blobs = plan.lost
        report.repository_bytes = self._repository.cache.expected_bytes()
        if plan.marks.is_damaged:
            report.obstacles = [*plan.obstacles, f"marks/{plan.marks.number} cannot be read"]


def _recent(moments: Moments, now: float) -> Moments:
    begin = now - REMEMBERED_SECONDS
    return {name: since for name, since in moments.items() if since is None or since >= begin}


def _sum(packs: Sequence[PackNeed]) -> tuple[int, int]:
    """Return number and size of packs."""
    return len(packs), sum(pack.size_bytes for pack in packs)


def _batches(names: Sequence[str]) -> Iterable[Sequence[str]]:
    for start in range(0, len(names), DELETE_BATCH_OBJECTS):
        yield names[start : start + DELETE_BATCH_OBJECTS]

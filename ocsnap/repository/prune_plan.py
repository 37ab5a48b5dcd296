"""What a prune would do: which snapshots go, and what becomes of each pack."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from ocsnap.monitor import Problem
from ocsnap.repository import alarm
from ocsnap.repository import index as indexes
from ocsnap.repository import marks as marking
from ocsnap.repository import pin as pins
from ocsnap.repository import snapshot as snapshots
from ocsnap.repository.needs import FILE_NAME, Needs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from contextlib import ExitStack

    from ocsnap.monitor import Monitor
    from ocsnap.repository.marks import StoredMarks
    from ocsnap.repository.needs import PackNeed
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.retention import Retention, Verdict
    from ocsnap.repository.snapshot import StoredSnapshot
    from ocsnap.storage.storage import ObjectInfo

SKEW_SECONDS: Final = 60.0
"""The machines of one store may differ by so much in what they take for the time."""

GRACE_SECONDS: Final = 23 * 3600.0
"""A daily prune removes what the one of the day before has marked."""

_ID_LENGTH: Final = 64


@dataclass(frozen=True)
class PrunePolicy:
    """What an admin decides.

    Attributes:
        retention: which snapshots stay.
        grace_seconds: how long packs stay after they were marked, and after they were put.
        repack_above: the share of garbage above which a pack is repacked; 1: never.
    """

    retention: Retention
    grace_seconds: float = GRACE_SECONDS
    repack_above: float = 0.5


@dataclass
class Plan:
    """What is to be done, and what stands against it.

    Attributes:
        now: the moment it is made for, by the storage's clock; seconds since the epoch.
        relied_since: since when others rely on what is there; infinity: nobody does.
        marks: what was marked before.
        verdicts: on each snapshot that can be read.
        leaving: names of the snapshots that go.
        present: names of all snapshots that there are.
        unread: names of snapshots that cannot be read and stay.
        unread_indexes: names of index objects that cannot be read.
        lost: number of blobs that are needed and gone.
        obstacles: why nothing but snapshots may be removed; empty: nothing stands against it.
        released: marked packs that are needed again.
        ripe: marked packs that can be removed now.
        waiting: marked packs that cannot be removed yet.
        garbage: packs to be marked.
        sparse: packs to be repacked.
        gone: packs that are there no more, and are marked or listed all the same.
        of_none: names of pins and acknowledgements whose snapshot is gone.
    """

    now: float
    relied_since: float
    marks: StoredMarks
    verdicts: list[Verdict] = field(default_factory=list)
    leaving: list[str] = field(default_factory=list)
    present: set[str] = field(default_factory=set)
    unread: list[str] = field(default_factory=list)
    unread_indexes: list[str] = field(default_factory=list)
    lost: int = 0
    obstacles: list[str] = field(default_factory=list)
    released: list[PackNeed] = field(default_factory=list)
    ripe: list[PackNeed] = field(default_factory=list)
    waiting: list[PackNeed] = field(default_factory=list)
    garbage: list[PackNeed] = field(default_factory=list)
    sparse: list[PackNeed] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    of_none: list[str] = field(default_factory=list)


class Planner:
    """Looks at a repository and decides; changes nothing but the local cache.

    Attributes:
        stored: all snapshots that can be read.
    """

    def __init__(self, repository: Repository, policy: PrunePolicy, *, monitor: Monitor) -> None:
        """Prepare.

        Args:
            repository: an open one whose key is here.
            policy: what the admin decides.
            monitor: is told of the progress, and of what cannot be read.
        """
        self._repository = repository
        self._policy = policy
        self._monitor = monitor
        self.stored: list[StoredSnapshot] = []

    def plan(self, stack: ExitStack, *, now: float, relied_since: float) -> tuple[Plan, Needs]:
        """Decide.

        All locks must have been looked at before: whoever held one then, or takes one later, is
        safe whatever is done.

        Args:
            stack: closes what is needed for the plan.
            now: the storage's time.
            relied_since: since when others rely on what is there.

        Returns:
            The plan, and what is needed.

        Raises:
            OcsnapError: the repository cannot be looked at.
        """
        self._monitor.step("Reading the index")
        repository = self._repository
        repository.synchronise(self._monitor)
        # Afresh: what other hosts cannot read must not count here either.
        marks = marking.read_marks(repository.storage, repository.id)
        plan = Plan(now=now, relied_since=relied_since, marks=marks)
        cache = repository.cache
        needs = stack.enter_context(Needs(cache.path.with_name(FILE_NAME), cache.path))
        others = self._take_listing(needs, plan)
        self.stored = repository.snapshots(self._monitor)
        self._judge(plan, others)
        self._monitor.step("Finding what the snapshots need")
        self.weigh(plan, needs)
        if plan.lost or needs.unread():
            self._judge_damaged(plan, needs, others)
        return plan, needs

    def weigh(self, plan: Plan, needs: Needs) -> None:
        """Find what the snapshots need that stay, and sort the packs by it."""
        needs.forget()
        leaving = set(plan.leaving)
        # Those that stay come first: what both need is needed by what stays.
        for stored in sorted(self.stored, key=lambda stored: stored.name in leaving):
            needs.walk(
                stored.snapshot.roots, self._repository.reader, stays=stored.name not in leaving
            )
        needs.choose()
        plan.lost = needs.lost()
        self._sort(plan, needs)

    # -- snapshots ---------------------------------------------------------------------------

    def _take_listing(self, needs: Needs, plan: Plan) -> list[str]:
        """Take in what the storage lists; return the names of all but packs."""
        others: list[str] = []

        def packs() -> Iterator[ObjectInfo]:
            for info in self._repository.storage.list():
                if info.name.startswith(("packs/", "meta/")):
                    there.add(info.name)
                    yield info
                else:
                    others.append(info.name)

        there: set[str] = set()
        needs.add_packs(packs(), plan.marks.marks.doomed)
        marked = plan.marks.marks.doomed.keys() | self._repository.cache.marked()
        plan.gone = sorted(marked - there)
        known = {indexes.index_name(index) for index in self._repository.cache.index_ids()}
        listed = {name for name in others if name.startswith(indexes.FOLDER)}
        plan.unread_indexes = sorted(listed - known)
        plan.present = {name for name in others if name.startswith(snapshots.FOLDER)}
        return others

    def _judge(
        self, plan: Plan, others: Sequence[str], damaged: frozenset[str] = frozenset()
    ) -> None:
        pinned = frozenset(
            name.removeprefix(pins.FOLDER) for name in others if name.startswith(pins.FOLDER)
        )
        retention = replace(self._policy.retention, pinned=pinned, damaged=damaged)
        plan.verdicts = retention.judge(self.stored)
        plan.leaving = [verdict.stored.name for verdict in plan.verdicts if not verdict.stays]
        unread = sorted(plan.present - {stored.name for stored in self.stored})
        plan.of_none = _of_none(others, plan.present)
        if retention.remove_damaged:
            plan.leaving += [
                name for name in unread if name.removesuffix(".gpg")[-64:] not in pinned
            ]
        plan.unread = [name for name in unread if name not in plan.leaving]

    def _judge_damaged(self, plan: Plan, needs: Needs, others: Sequence[str]) -> None:
        """Decide anew, as damaged snapshots count for no rule."""
        reader = self._repository.reader
        damaged = frozenset(
            stored.id for stored in self.stored if needs.suffers(stored.snapshot.roots, reader)
        )
        for stored in self.stored:
            if stored.id in damaged:
                self._monitor.problem(Problem(stored.name, "some of its files are lost"))
        self._judge(plan, others, damaged)
        self.weigh(plan, needs)

    # -- packs -------------------------------------------------------------------------------

    def _sort(self, plan: Plan, needs: Needs) -> None:
        unread = needs.unread()
        obstacles = [f"{name} cannot be read" for name in (*plan.unread_indexes, *plan.unread)]
        if unread:
            obstacles.append(f"the listings of {unread} directories are lost")
        plan.released, plan.ripe, plan.waiting, plan.garbage, plan.sparse = [], [], [], [], []
        for pack in needs.packs():
            if pack.since is not None:
                self._sort_marked(plan, pack, pack.since)
            elif not obstacles and pack.modified + self._policy.grace_seconds <= plan.now:
                self._sort_unmarked(plan, pack)
        if obstacles:
            plan.waiting += plan.ripe
            plan.ripe = []
        plan.obstacles = obstacles

    def _sort_marked(self, plan: Plan, pack: PackNeed, since: float) -> None:
        if pack.needed:
            plan.released.append(pack)
        elif is_ripe(since, plan.now, plan.relied_since, self._policy.grace_seconds):
            plan.ripe.append(pack)
        else:
            plan.waiting.append(pack)

    def _sort_unmarked(self, plan: Plan, pack: PackNeed) -> None:
        if pack.number is None:
            # It may be all that is left of what is lost elsewhere, or just being listed.
            if not plan.lost and pack.modified + SKEW_SECONDS < plan.relied_since:
                plan.garbage.append(pack)
        elif not pack.staying_bytes:
            plan.garbage.append(pack)
        elif 1 - pack.staying_bytes / pack.listed_bytes > self._policy.repack_above:
            plan.sparse.append(pack)


def _of_none(names: Sequence[str], present: Collection[str]) -> list[str]:
    """Return the names of objects that belong to a snapshot that is not there."""
    ids = {name.removesuffix(".gpg")[-_ID_LENGTH:] for name in present}
    return [
        name
        for name in names
        if name.startswith((pins.FOLDER, alarm.FOLDER))
        and name.partition("/")[2][:_ID_LENGTH] not in ids
    ]


def is_ripe(since: float, now: float, relied_since: float, grace_seconds: float) -> bool:
    """Return whether a pack can be removed.

    Args:
        since: when it was marked.
        now: the storage's time.
        relied_since: since when others rely on what is there.
        grace_seconds: how long it has to stay at least.
    """
    return since + grace_seconds <= now and relied_since > since + SKEW_SECONDS

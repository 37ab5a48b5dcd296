"""What every look into snapshots begins with: an open repository and the snapshots in question."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ocsnap.commands.browse.place import part_of
from ocsnap.commands.context import connect
from ocsnap.commands.repository_lock import reader_lock
from ocsnap.commands.restore.estimate import Estimate, Estimator
from ocsnap.commands.snapshots import choose, own, readable
from ocsnap.repository.alarm import doubts
from ocsnap.repository.lock_survey import Purpose
from ocsnap.snapshot.listings import Listings
from ocsnap.snapshot.restorer import Placement
from ocsnap.storage.prices import billing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ocsnap.commands.context import Context
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.snapshot import Root, StoredSnapshot
    from ocsnap.repository.tree import Entry


@dataclass(frozen=True)
class Look:
    """An open repository.

    Attributes:
        context: the outside world.
        repository: it, synchronised.
        snapshots: all snapshots, oldest first.
        listings: reads their directories.
    """

    context: Context
    repository: Repository
    snapshots: list[StoredSnapshot]
    listings: Listings

    @property
    def mine(self) -> list[StoredSnapshot]:
        """The snapshots of the configured ownCloud; all of them where it has none."""
        root = str(self.context.config.owncloud.root)
        return [*own(self.snapshots, root=root, host=self.context.host)]

    def estimate(self, root: Root, entries: Sequence[Entry]) -> Estimate:
        """Say what restoring some files and folders takes, of which nothing stands there.

        Args:
            root: the root that they are in.
            entries: they.
        """
        prices = billing(self.context.config.repository)
        estimator = Estimator(self.repository, checksum=False, prices=prices)
        return estimator.estimate([Placement(part_of(root, entry), b"") for entry in entries])

    def doubts(self, chosen: StoredSnapshot) -> list[str]:
        """Say why a snapshot may hold what an accident or an attack has left; see `doubts`."""
        return doubts(self.repository, self.snapshots, chosen, self.context.monitor)

    def choose(self, wanted: str) -> StoredSnapshot:
        """Return the snapshot that is named.

        Raises:
            NoSnapshotError: none is, or several are.
        """
        root = str(self.context.config.owncloud.root)
        return choose(self.snapshots, wanted, root=root, host=self.context.host)


@contextmanager
def look(context: Context, *, locked: bool = False) -> Iterator[Look]:
    """Open the repository for looking into it.

    Args:
        context: the outside world.
        locked: hold a lock, so that a prune waits: for what reads contents for hours.

    Yields:
        The look.

    Raises:
        OcsnapError: it cannot be read.
    """
    with closing(connect(context, reads_only=True).repository) as repository, ExitStack() as stack:
        if locked:
            lock = reader_lock(repository, Purpose.RESTORE, context.random, context.monitor)
            stack.enter_context(lock)
        repository.synchronise(context.monitor)
        repository.reader.on_missing = partial(repository.synchronise, context.monitor)
        found = readable(repository, context.monitor)
        yield Look(context, repository, found, Listings(repository.reader))

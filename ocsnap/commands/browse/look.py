"""What every look into snapshots begins with: an open repository and the snapshots in question."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocsnap.commands.context import connect
from ocsnap.commands.snapshots import choose, readable
from ocsnap.snapshot.listings import Listings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.context import Context
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.snapshot import StoredSnapshot


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

    def choose(self, wanted: str) -> StoredSnapshot:
        """Return the snapshot that is named.

        Raises:
            NoSnapshotError: none is, or several are.
        """
        return choose(self.snapshots, wanted, root=str(self.context.config.owncloud.root))


@contextmanager
def look(context: Context) -> Iterator[Look]:
    """Open the repository for looking into it.

    Args:
        context: the outside world.

    Yields:
        The look.

    Raises:
        OcsnapError: it cannot be read.
    """
    with closing(connect(context).repository) as repository:
        repository.synchronise(context.monitor)
        found = readable(repository, context.monitor)
        yield Look(context, repository, found, Listings(repository.reader))

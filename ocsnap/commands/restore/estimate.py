"""What a restore will write, fetch and take over, how long it will take and what it will cost."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.errors import DamagedError, ObjectMissingError
from ocsnap.repository import tree
from ocsnap.snapshot.reach import Reach
from ocsnap.snapshot.reuse import Likeness, likeness
from ocsnap.units import MIB

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ocsnap.repository.repository import Repository
    from ocsnap.repository.snapshot import Root
    from ocsnap.repository.tree import Entry
    from ocsnap.snapshot.restorer import Placement
    from ocsnap.storage.prices import Prices

RATE_NOTE: Final = "restore rate"
VERIFY_RATE_NOTE: Final = "verify rate"
USUAL_RATE: Final = 20 * MIB
"""Bytes fetched and written a second where nothing has been measured yet: a line of 200 Mbit/s."""

_MEASURED_BYTES: Final = 10_000_000
"""Less says nothing of a rate."""

COPY_RATE: Final = 200 * MIB
"""Bytes copied a second from a disk to itself, where they cannot be shared."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore is about to do, in numbers.

    Attributes:
        files: entries of all kinds.
        write_bytes: sizes of the files that come out of the repository.
        reuse_files: files that stand there already, as far as can be told without reading them.
        reuse_bytes: their sizes.
        check_bytes: sizes of those among them that must be read to be sure.
        delete_files: entries that stand there and are not in the snapshot; they are kept aside.
        fetch_packs: packs that are fetched.
        fetch_bytes: their sizes.
        seconds: how long it takes at the rate of the last restore, or a usual one.
        measured: whether that rate was measured.
        dollars: what fetching costs at the prices of `prices_of`; 0.0 for a local repository.
        prices_of: whose prices, and of which day.
    """

    files: int = 0
    write_bytes: int = 0
    reuse_files: int = 0
    reuse_bytes: int = 0
    check_bytes: int = 0
    delete_files: int = 0
    fetch_packs: int = 0
    fetch_bytes: int = 0
    seconds: float = 0.0
    measured: bool = False
    dollars: float = 0.0
    prices_of: str = ""


def note_rate(repository: Repository, name: str, got_bytes: int, seconds: float) -> None:
    """Keep in mind how fast a run got what it read.

    Args:
        repository: where it read.
        name: `RATE_NOTE` or `VERIFY_RATE_NOTE`.
        got_bytes: what it read; little of it tells nothing.
        seconds: how long that took.
    """
    if got_bytes > _MEASURED_BYTES and seconds > 0:
        repository.cache.set_note(name, f"{got_bytes / seconds:.0f}")


def measured_rate(repository: Repository, *names: str) -> float | None:
    """Return how fast former runs got what they read, the first that tells; bytes a second.

    Args:
        repository: where they read.
        names: `RATE_NOTE` or `VERIFY_RATE_NOTE`.
    """
    notes = (repository.cache.note(name) for name in names)
    return next((float(note) for note in notes if note), None)


_BLOBS_AT_ONCE: Final = 5_000


class _Tally:
    def __init__(self) -> None:
        self.files = self.write_bytes = 0
        self.reuse_files = self.reuse_bytes = self.check_bytes = 0
        self.delete_files = 0
        self.packs: set[str] = set()
        self.blobs: list[bytes] = []


class Estimator:
    """Walks a snapshot without touching anything."""

    def __init__(self, repository: Repository, *, checksum: bool, prices: Prices | None) -> None:
        """Prepare.

        Args:
            repository: synchronised.
            checksum: whether files that stand there are read whatever their times say.
            prices: what the storage asks; None: it is one that sends no bills.
        """
        self._repository = repository
        self._checksum = checksum
        self._prices = prices

    def estimate(self, placements: Sequence[Placement]) -> Estimate:
        """Say what restoring these will take.

        Args:
            placements: what goes where.

        Returns:
            The numbers; of what lies below a damaged listing they tell nothing.
        """
        tally = _Tally()
        inner = {placement.present for placement in placements if placement.present}
        for placement in placements:
            self._walk(tally, placement.root.entry, placement.present, inner)
        self._find(tally)
        sizes = self._repository.cache.pack_sizes(tally.packs)
        fetch_bytes = sum(sizes.values())
        rate = measured_rate(self._repository, RATE_NOTE)
        seconds = max(fetch_bytes, tally.write_bytes) / (rate or USUAL_RATE)
        prices = self._prices
        dollars = prices.fetching(len(tally.packs), fetch_bytes) if prices else 0.0
        return Estimate(
            files=tally.files,
            write_bytes=tally.write_bytes,
            reuse_files=tally.reuse_files,
            reuse_bytes=tally.reuse_bytes,
            check_bytes=tally.check_bytes,
            delete_files=tally.delete_files,
            fetch_packs=len(tally.packs),
            fetch_bytes=fetch_bytes,
            seconds=seconds + tally.reuse_bytes / COPY_RATE,
            measured=rate is not None,
            dollars=dollars,
            prices_of=prices.title if prices else "",
        )

    def needed_packs(self, roots: Iterable[Root]) -> set[str]:
        """Name the packs that hold the content of some roots, for a place where nothing stands.

        Args:
            roots: the roots.

        Returns:
            Names of objects; of what lies below a damaged listing they tell nothing.
        """
        tally = _Tally()
        for root in roots:
            self._walk(tally, root.entry, None, ())
        self._find(tally)
        return tally.packs

    def _walk(
        self, tally: _Tally, root: Entry, present: bytes | None, inner: Iterable[bytes]
    ) -> None:
        if root.is_file:
            tally.files += 1
            self._count(tally, root, present)
            return
        waiting = [(root, present)]
        while waiting:
            directory, here = waiting.pop()
            names = _names(here)
            for child in self._children(directory):
                names.discard(child.name)
                tally.files += 1
                path = None if here is None else here + b"/" + child.name
                if child.is_directory:
                    waiting.append((child, path))
                elif child.is_file:
                    self._count(tally, child, path)
            if here is not None:
                # What another root brings is not missing in this one.
                tally.delete_files += sum(here + b"/" + name not in inner for name in names)

    def _children(self, directory: Entry) -> Iterator[Entry]:
        with suppress(DamagedError, ObjectMissingError):  # the restore names it
            yield from tree.read(directory.subtree, self._repository.reader.load)

    def _count(self, tally: _Tally, entry: Entry, path: bytes | None) -> None:
        like = likeness(entry, path, checksum=self._checksum)
        if like is not Likeness.NONE:
            tally.reuse_files += 1
            tally.reuse_bytes += entry.size_bytes
            tally.check_bytes += entry.size_bytes if like is Likeness.DOUBTFUL else 0
            return
        tally.write_bytes += entry.size_bytes
        tally.blobs.extend(extent.blob for extent in entry.pieces())
        if len(tally.blobs) >= _BLOBS_AT_ONCE:
            self._find(tally)

    def _find(self, tally: _Tally) -> None:
        """Count the packs in which the content lies that was met since the last time."""
        blobs, tally.blobs = tally.blobs, []
        found = self._repository.cache.packs_of(blobs)
        tally.packs.update(packs[0] for packs in found.values())


def _names(folder: bytes | None) -> set[bytes]:
    if folder is None:
        return set()
    try:
        with Reach(folder) as near, os.scandir(near) as listing:
            return {entry.name for entry in listing}
    except OSError:
        return set()

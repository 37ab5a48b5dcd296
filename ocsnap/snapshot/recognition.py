"""Looking at a directory: what is in it, and what of its listing need not even be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ocsnap.snapshot import lister, scanner
from ocsnap.snapshot.listed import Kept
from ocsnap.snapshot.scanner import Scan, look_at, opened, scan
from ocsnap.snapshot.summary import compare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsnap.repository.tree import Entry
    from ocsnap.snapshot.directory import Directory
    from ocsnap.snapshot.exclusion import Exclusion
    from ocsnap.snapshot.lister import Listing
    from ocsnap.snapshot.predecessor import Predecessor
    from ocsnap.snapshot.scanner import Failed
    from ocsnap.snapshot.summary import PartSummary


class Former(Protocol):
    """What a directory held in an earlier snapshot."""

    def take(self, last: bytes | None) -> dict[bytes, Entry]:
        """Take the names up to one; see `FormerListing.take`."""
        ...


class Sighting(NamedTuple):
    """A directory that was looked at.

    Attributes:
        scan: gives what is there, but for what is known to be as it was.
        former: gives what was there, but for the same.
        same: files that are as they were, besides the parts that are as a whole.
    """

    scan: Scan
    former: Former
    same: Sequence[Entry] = ()


@dataclass(frozen=True)
class Recognition:
    """Looks at directories.

    Attributes:
        predecessor: knows what they held.
        exclusion: what to leave out.
        failed: told of names that cannot be looked at.
    """

    predecessor: Predecessor
    exclusion: Exclusion
    failed: Failed

    def look(self, directory: Directory) -> Sighting:
        """Look at a directory, whose `kept` then says which parts are as they were.

        Args:
            directory: the directory.

        Returns:
            What there is besides.

        Raises:
            OSError: it cannot be read, or is another.
        """
        parts = None
        if self._may_be_recognised(directory):
            parts = self.predecessor.summaries.of(directory.former_subtree)
            sighting = None if parts is None else self._compare(directory, parts)
            if sighting is not None:
                return sighting
        scanned = scan(
            directory.path, directory.folder, self.exclusion, self.failed, directory.identity
        )
        return Sighting(scanned, self.predecessor.listing(directory, remembers=parts is None))

    def _may_be_recognised(self, directory: Directory) -> bool:
        """Return whether summaries help; where blobs may be lost each file's are looked up.

        The root has names that are taken over without a look, and others that are watched.
        """
        is_root = directory.within is None
        return self.predecessor.summaries.used and not is_root and not self.predecessor.doubtful

    def _compare(self, directory: Directory, parts: Sequence[PartSummary]) -> Sighting | None:
        with opened(directory.path, directory.identity) as descriptor:
            try:
                listing = lister.look(
                    descriptor,
                    most=scanner.MOST_FOUND,
                    choose=lambda names: self.exclusion.choose(directory.folder, names),
                )
            except OSError:
                listing = None  # the usual way tells what it is, and of which name
            if listing is None:
                return None
            compared = compare(directory.former_subtree, parts, listing)
            old = self.predecessor.parts(directory, compared.unfamiliar).take(None)
            same, names = _sort_out(listing, compared.places, old)
            found = look_at(descriptor, directory.path, names, self.failed)
        directory.kept = Kept(compared.familiar, sum(part.entries for part in parts))
        return Sighting(Scan(directory.path, self.failed, found), _Read(old), same)


@dataclass(frozen=True)
class _Read:
    """What was there, read already."""

    entries: dict[bytes, Entry]

    def take(self, last: bytes | None) -> dict[bytes, Entry]:
        """Take all of it; see `FormerListing.take`."""
        del last
        return self.entries


def _sort_out(
    listing: Listing, places: Sequence[int], old: dict[bytes, Entry]
) -> tuple[list[Entry], list[bytes]]:
    """Take from what was there the files that are as they were; return them and the other names."""
    same, others = [], []
    for place in places:
        name = listing.names[place]
        entry = old.get(name)
        if entry is not None and listing.tells(place, entry):
            same.append(old.pop(name))
        else:
            others.append(name)
    return same, others

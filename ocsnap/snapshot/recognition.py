"""Looking at a directory: what is in it, and what of its listing need not even be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ocsnap.snapshot import lister, scanner
from ocsnap.snapshot.listed import Kept
from ocsnap.snapshot.scanner import Scan, look_at, opened, scan
from ocsnap.snapshot.summary import compare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsnap.snapshot.directory import Directory
    from ocsnap.snapshot.exclusion import Exclusion
    from ocsnap.snapshot.predecessor import FormerListing, Predecessor
    from ocsnap.snapshot.scanner import Failed
    from ocsnap.snapshot.summary import PartSummary, Summaries


class Sighting(NamedTuple):
    """A directory that was looked at.

    Attributes:
        scan: gives what is there, but for the parts of the former listing that are as they were.
        former: gives what was there, but for the same parts.
    """

    scan: Scan
    former: FormerListing


@dataclass(frozen=True)
class Recognition:
    """Looks at directories.

    Attributes:
        predecessor: knows what they held.
        summaries: knows it in short.
        exclusion: what to leave out.
        failed: told of names that cannot be looked at.
    """

    predecessor: Predecessor
    summaries: Summaries
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
            parts = self.summaries.of(_subtree(directory))
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
        return self.summaries.used and not is_root and not self.predecessor.doubtful

    def _compare(self, directory: Directory, parts: Sequence[PartSummary]) -> Sighting | None:
        subtree = _subtree(directory)
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
            compared = compare(subtree, parts, listing)
            found = look_at(descriptor, directory.path, compared.names, self.failed)
        directory.kept = Kept(compared.familiar, sum(part.entries for part in parts))
        former = self.predecessor.parts(directory, compared.unfamiliar)
        return Sighting(Scan(directory.path, self.failed, found), former)


def _subtree(directory: Directory) -> Sequence[bytes]:
    return directory.previous.subtree if directory.previous is not None else ()

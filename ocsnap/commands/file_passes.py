"""The files of an ownCloud, archived pass after pass, each compared with the one before."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocsnap.commands.sources import data_sources
from ocsnap.errors import LocalIOError
from ocsnap.owncloud.homes import homes
from ocsnap.repository.snapshot import Root, RootKind
from ocsnap.snapshot.archiver import Archiver
from ocsnap.snapshot.statistics import Statistics
from ocsnap.units import MIB

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ocsnap.commands.context import Context
    from ocsnap.commands.site import Site
    from ocsnap.monitor import Monitor
    from ocsnap.repository.repository import Repository
    from ocsnap.snapshot.archiver import Source

TRUSTED_FOLDERS: Final = frozenset({b"files", b"files_versions", b"files_trashbin"})
"""What a home's root etag covers: every change there through ownCloud gives it a new one. Uploads,
thumbnails and keys it does not cover (measured on ownCloud 11.0)."""

SMALL_CHANGE_BYTES: Final = 64 * MIB
"""So much is read and spooled in a second or two: no reason for another live pass."""

SHRINKING_SHARE: Final = 0.7
"""A pass that left more than this share of the one before does not get anywhere."""

_DAY_SECONDS: Final = 86_400.0

RootKey = tuple[RootKind, str]


@dataclass
class FilePasses:
    """Archives the data directory and all homes, again and again.

    Attributes:
        context: the outside world.
        site: the ownCloud.
        repository: where everything goes.
        roots: what is compared with: of the parent snapshot first, then of the latest pass.
        statistics: the figures of all passes together.
        scan_seconds: how long the latest pass listed directories.
        read_seconds: how long it went on reading after that.
        latest_bytes: content that the latest pass stored.
        present: keys of the roots that the latest pass found.
    """

    context: Context
    site: Site
    repository: Repository
    roots: dict[RootKey, Root]
    statistics: Statistics = field(default_factory=Statistics)
    scan_seconds: float = 0.0
    read_seconds: float = 0.0
    latest_bytes: int = 0
    present: list[RootKey] = field(default_factory=list)

    def live(self, monitor: Monitor) -> None:
        """Go through the files while users work, until what is left is small or shrinks no more.

        Args:
            monitor: is told of the progress; a file that changes meanwhile is no problem yet.
        """
        left_bytes = None
        for number in range(self.context.config.backup.live_passes):
            name = "Storing what has changed while users go on working"
            monitor.step(name if number == 0 else f"{name}, pass {number + 1}")
            self.once(monitor)
            self.repository.writer.flush()
            shrinking = left_bytes is None or self.latest_bytes < left_bytes * SHRINKING_SHARE
            if self.latest_bytes <= SMALL_CHANGE_BYTES or not shrinking:
                break
            left_bytes = self.latest_bytes

    def once(
        self,
        monitor: Monitor,
        *,
        read_at: Path | None = None,
        unsteady: Mapping[str, Collection[bytes]] | None = None,
    ) -> None:
        """Go through the files once.

        Args:
            monitor: is told of progress and problems.
            read_at: where the data directory is read instead of its own place.
            unsteady: paths that somebody may be writing to, by home.
        """
        archiver = Archiver(self.repository, clock=self.context.clock, monitor=monitor)
        figures = Statistics()
        self.scan_seconds = self.read_seconds = 0.0
        self.present = []
        for source in self._sources(read_at):
            key = (source.kind, source.name)
            previous = self.roots.get(key)
            marked = frozenset((unsteady or {}).get(source.name, ()))
            trusted = self._trusted(source, previous)
            archived = archiver.archive(source._replace(trusted=trusted, unsteady=marked), previous)
            self.roots[key] = archived.root
            self.present.append(key)
            figures.add(archived.statistics)
            self.scan_seconds += archived.scan_seconds
            self.read_seconds += archived.read_seconds
        self.latest_bytes = figures.raw_delta_bytes
        self.statistics = self.statistics.followed_by(figures)

    def found(self) -> list[Root]:
        """Return the roots of the latest pass."""
        return [self.roots[key] for key in self.present]

    def _sources(self, read_at: Path | None) -> list[Source]:
        """List the folders; the etag of a home is read before the home is."""
        site = self.site
        database_file = site.instance.sqlite_path if site.settings.kind == "sqlite3" else None
        found = homes(site.database.query, site.instance)
        exclude = self.context.config.backup.exclude
        sources = data_sources(site.instance, found, exclude, database_file)
        if read_at is None:
            return sources
        return [_moved(source, site.instance.data_dir, read_at) for source in sources]

    def _trusted(self, source: Source, previous: Root | None) -> frozenset[bytes]:
        """Return what of a home need not be walked."""
        scan = self.context.config.scan
        if scan.trust_etags == "never" or previous is None or source.etag is None:
            return frozenset()
        same = (
            previous.etag == source.etag
            and previous.path == (source.origin or source.path)
            and previous.rules == source.exclusion.digest
        )
        age_seconds = self.context.clock.now() - previous.walked
        young = 0 <= age_seconds < scan.full_walk_days * _DAY_SECONDS
        return TRUSTED_FOLDERS if same and young else frozenset()


def _moved(source: Source, data_dir: Path, read_at: Path) -> Source:
    """Let a source be read in a snapshot of the file system."""
    place = Path(os.fsdecode(source.path))
    if not place.is_relative_to(data_dir):
        raise LocalIOError(
            f"backup.snapshot_path: {place} lies outside of the data directory {data_dir}.",
            hint="Back up without a file system snapshot: it has not all homes.",
        )
    path = read_at / place.relative_to(data_dir)
    return source._replace(path=os.fsencode(path), origin=source.path)

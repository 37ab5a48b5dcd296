"""The files of an ownCloud, archived pass after pass, each compared with the one before."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.commands.backup.sources import data_sources
from ocsnap.errors import LocalIOError
from ocsnap.owncloud.homes import expected_bytes, homes
from ocsnap.owncloud.special.encryption import read_encryption
from ocsnap.repository.snapshot import Root, RootKind
from ocsnap.snapshot.archiver import Archiver
from ocsnap.snapshot.signs import Signs
from ocsnap.snapshot.statistics import Statistics
from ocsnap.units import MIB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsnap.commands.context import Context
    from ocsnap.commands.site import Site
    from ocsnap.monitor import Monitor
    from ocsnap.repository.repository import Repository
    from ocsnap.snapshot.archiver import Archived, Source

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
        signs: what happened to the watched files of each, in all passes together.
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
    signs: dict[RootKey, Signs] = field(default_factory=dict)

    def live(self, monitor: Monitor) -> None:
        """Go through the files while users work, until what is left is small or shrinks no more.

        Args:
            monitor: is told of the progress; a file that changes meanwhile is no problem yet.
        """
        left_bytes = None
        total_bytes = None if self.roots else self._expected_bytes()
        for number in range(self.context.config.backup.live_passes):
            name = "Storing what has changed while users go on working"
            if number == 0:
                monitor.step(name, total_bytes=total_bytes)
            else:
                monitor.step(f"{name}, pass {number + 1}")
            self.once(monitor, tries_again=False)
            self.repository.writer.flush()
            shrinking = left_bytes is None or self.latest_bytes < left_bytes * SHRINKING_SHARE
            if self.latest_bytes <= SMALL_CHANGE_BYTES or not shrinking:
                break
            left_bytes = self.latest_bytes

    def once(
        self,
        monitor: Monitor,
        *,
        sources: Sequence[Source] | None = None,
        tries_again: bool = True,
    ) -> None:
        """Go through the files once.

        Args:
            monitor: is told of progress and problems.
            sources: what to read; None: what `sources` returns now.
            tries_again: whether this is the last pass, so that what fails is tried once more.

        Raises:
            LocalIOError: a folder cannot be read.
            OcsnapError: something could not be stored.
        """
        archiver = Archiver(
            self.repository,
            clock=self.context.clock,
            monitor=monitor,
            tries_again=tries_again,
        )
        figures = Statistics()
        self.scan_seconds = self.read_seconds = 0.0
        self.present = []
        for source in self.sources() if sources is None else sources:
            archived = self._archive(archiver, source)
            if archived is None:
                monitor.note(f"{os.fsdecode(source.path)} was deleted while the backup ran.")
                continue
            self._take(archived)
            figures.add(archived.statistics)
        self.latest_bytes = figures.raw_delta_bytes
        self.statistics = self.statistics.followed_by(figures)

    def found(self) -> list[Root]:
        """Return the roots of the latest pass."""
        return [self.roots[key] for key in self.present]

    def sources(self, read_at: Path | None = None) -> list[Source]:
        """List what is to be read; each home's etag is as old as this list.

        What changes in a home after that gives it another etag, so the next pass, or the next
        backup, walks it. The files must therefore be read, or be frozen, later than this.

        Args:
            read_at: where the data directory is read instead of its own place.

        Raises:
            LocalIOError: a home lies outside of the data directory, and so of `read_at`.
            DatabaseError: the database does not tell the homes.
        """
        site = self.site
        database_file = site.instance.sqlite_path if site.settings.kind == "sqlite3" else None
        found = homes(site.database.query, site.instance)
        exclude = self.context.config.backup.exclude
        keys = read_encryption(site.database.query, site.instance.table_prefix)
        data_dir = site.instance.data_dir.resolve()
        listed = data_sources(data_dir, found, exclude, database_file, keys.key_root)
        if read_at is None:
            return listed
        return [_moved(source, data_dir, read_at) for source in listed]

    def _expected_bytes(self) -> int | None:
        """Return about how much a first backup reads; it takes hours, and people wait for it."""
        site = self.site
        return expected_bytes(site.database.query, site.instance.table_prefix) or None

    def _archive(self, archiver: Archiver, source: Source) -> Archived | None:
        """Archive one folder; return None if it is a home that is gone by now."""
        previous = self.roots.get((source.kind, source.name))
        trusted = self._trusted(source, previous)
        try:
            return archiver.archive(source._replace(trusted=trusted), previous)
        except LocalIOError:
            if source.kind is RootKind.HOME and not os.path.lexists(source.path):
                return None
            raise

    def _take(self, archived: Archived) -> None:
        """Keep a folder's root, to be compared with."""
        root = archived.root
        if archived.statistics.errors:
            # Without an etag it is walked again, so that what could not be read is tried, and
            # told, each time.
            root = msgspec.structs.replace(root, etag=None)
        self.roots[root.kind, root.name] = root
        self.present.append((root.kind, root.name))
        self.signs.setdefault((root.kind, root.name), Signs()).add(archived.signs)
        self.scan_seconds += archived.scan_seconds
        self.read_seconds += archived.read_seconds

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

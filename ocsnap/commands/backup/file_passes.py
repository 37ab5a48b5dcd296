"""The files of an ownCloud, archived pass after pass, each compared with the one before."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.commands.backup.file_sources import file_sources, trusted_folders
from ocsnap.errors import LocalIOError
from ocsnap.owncloud.homes import expected_bytes
from ocsnap.repository.snapshot import Root, RootKind
from ocsnap.snapshot.archiver import Archiver
from ocsnap.snapshot.signs import Signs
from ocsnap.snapshot.statistics import Statistics
from ocsnap.units import MIB

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ocsnap.commands.context import Context
    from ocsnap.commands.site import Site
    from ocsnap.monitor import Monitor
    from ocsnap.repository.repository import Repository
    from ocsnap.snapshot.archiver import Archived, Source

SMALL_CHANGE_BYTES: Final = 64 * MIB
"""So much is read and spooled in a second or two: no reason for another live pass."""

SHRINKING_SHARE: Final = 0.7
"""A pass that left more than this share of the one before does not get anywhere."""

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
            monitor.at(source.name)
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
        return file_sources(self.context, self.site, read_at)

    def _expected_bytes(self) -> int | None:
        """Return about how much a first backup reads; it takes hours, and people wait for it."""
        site = self.site
        return expected_bytes(site.database.query, site.instance.table_prefix) or None

    def _archive(self, archiver: Archiver, source: Source) -> Archived | None:
        """Archive one folder; return None if it is a home that is gone by now."""
        previous = self.roots.get((source.kind, source.name))
        trusted = trusted_folders(self.context, source, previous)
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

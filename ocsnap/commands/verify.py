"""`ocsnap verify`: is everything there, and is it what was stored?"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from ocsnap.commands.browse.stored_dump import StoredDump
from ocsnap.commands.context import connect, state_dir
from ocsnap.commands.cross_check.cross_check import CrossCheck
from ocsnap.commands.cross_check.report import CrossCheckReport, unreadable
from ocsnap.commands.cross_check.repository_files import RepositoryFiles
from ocsnap.commands.reporting.hooks import HookPoint, demand
from ocsnap.commands.repository_lock import reader_lock
from ocsnap.commands.restore.estimate import VERIFY_RATE_NOTE, note_rate
from ocsnap.commands.runs.recorder import recorded
from ocsnap.commands.snapshots import choose, readable
from ocsnap.database.open import open_rows
from ocsnap.errors import DamagedError, DatabaseError, ExitStatus, ObjectMissingError
from ocsnap.repository.lock_survey import Purpose
from ocsnap.repository.rotation import Coverage, Rotation
from ocsnap.repository.selector import LATEST
from ocsnap.snapshot.checker import Checker, CheckReport
from ocsnap.snapshot.file_reader import FileReader
from ocsnap.snapshot.listings import Listings

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocsnap.commands.context import Context
    from ocsnap.repository.repository import Repository


@dataclass(frozen=True)
class VerifyOptions:
    """What to check.

    Attributes:
        read_data: download, decrypt and hash objects.
        share: which share of them, more than 0 and at most 1; None: all.
        cross_check: compare a snapshot with ownCloud's own memory of its files.
        snapshot: which one; see `select`.
    """

    read_data: bool = False
    share: float | None = None
    cross_check: bool = False
    snapshot: str = LATEST


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was found.

    Attributes:
        repository: whether the objects are what was stored.
        coverage: how far the checks of a share have come; None where all was read, or nothing.
        cross_check: whether a snapshot has what ownCloud knows; None where nobody asked.
    """

    repository: CheckReport
    coverage: Coverage | None = None
    cross_check: CrossCheckReport | None = None

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return self.repository.sound and (self.cross_check is None or self.cross_check.sound)

    @property
    def exit_status(self) -> ExitStatus:
        """What the command line exits with."""
        if not self.repository.sound:
            return ExitStatus.DAMAGED
        return ExitStatus.OK if self.sound else ExitStatus.UNSOUND


def verify(context: Context, options: VerifyOptions) -> VerifyReport:
    """Check the repository.

    Args:
        context: the outside world.
        options: what to check.

    Returns:
        What is wrong; nothing, if `sound`.

    Raises:
        HookError: a hook stopped it.
        OcsnapError: the repository cannot be looked at.
    """
    demand(context, HookPoint.BEFORE_VERIFY)
    with (
        recorded(context, state_dir(context), "verify") as record,
        closing(connect(record.context, reads_only=True).repository) as repository,
        reader_lock(repository, Purpose.VERIFY, context.random, context.monitor),
    ):
        report = _rotated(_Verification(record.context, options, repository))
        record.conclude(report.exit_status)
        return report


def _rotated(run: _Verification) -> VerifyReport:
    if run.options.share is None:
        return run.run(None)
    folder = state_dir(run.context) / run.repository.id
    with closing(Rotation(folder, run.options.share)) as rotation:
        return run.run(rotation)


@dataclass
class _Verification:
    """One run."""

    context: Context
    options: VerifyOptions
    repository: Repository

    def run(self, rotation: Rotation | None) -> VerifyReport:
        monitor, now = self.context.monitor, self.context.clock.now
        checker = Checker(self.repository, monitor=monitor)
        checker.compare()
        sizes = checker.readable()
        chosen = frozenset(sizes) if rotation is None else rotation.choose(sizes)
        cross_check = None
        if self.options.cross_check:
            cross_check = self._cross_check(checker, lambda pack: pack in chosen)
        if self.options.read_data:
            told = _nobody if rotation is None else lambda name: rotation.read(name, now())
            began = self.context.clock.monotonic()
            checker.read(chosen, told)
            took_seconds = self.context.clock.monotonic() - began
            read_bytes = sum(sizes[name] for name in chosen)
            note_rate(self.repository, VERIFY_RATE_NOTE, read_bytes, took_seconds)
        coverage = None if rotation is None else rotation.finish(sizes)
        report = checker.finish()
        return VerifyReport(repository=report, coverage=coverage, cross_check=cross_check)

    def _cross_check(self, checker: Checker, wants: Callable[[str], bool]) -> CrossCheckReport:
        context, repository, monitor = self.context, self.repository, self.context.monitor
        snapshots = readable(repository, monitor)
        root = str(context.config.owncloud.root)
        stored = choose(snapshots, self.options.snapshot, root=root, host=context.host)
        folder = state_dir(context)
        check = CrossCheck(
            stored, exclude=context.config.backup.exclude, scratch_dir=folder, monitor=monitor
        )
        side = RepositoryFiles(
            repository,
            load_pack=checker.load_pack if self.options.read_data else None,
            wants=wants,
            scratch_dir=folder,
            monitor=monitor,
        )
        try:
            files = FileReader.of(repository, scratch_dir=folder)
            dump = StoredDump(files, Listings(repository.reader), stored.snapshot)
            with open_rows(dump, scratch_dir=folder) as rows:
                return check.run(rows, side)
        except (DamagedError, DatabaseError, ObjectMissingError) as error:
            # What else is wrong with the repository shall be told all the same.
            return unreadable(stored, "the database's dump", error.message)


def _nobody(name: str) -> None:
    del name

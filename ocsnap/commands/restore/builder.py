"""Builds what a restore will put in place: files, configuration, database, each beside it."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ocsnap.commands.restore import journal as journals
from ocsnap.commands.restore.database import StagedDatabase, stage, survey
from ocsnap.commands.restore.dump_folder import DumpFolder
from ocsnap.commands.restore.folders import make_closed, make_folder
from ocsnap.commands.restore.layout import Layout, Part, database_root, roots_of
from ocsnap.commands.restore.site_config import SiteConfig, adapt
from ocsnap.commands.site import first_line, open_site
from ocsnap.database.open import load_database
from ocsnap.errors import DamagedError, LocalIOError
from ocsnap.repository.snapshot import RootKind
from ocsnap.snapshot.restore_report import RestoreReport
from ocsnap.snapshot.restorer import Placement, Restorer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocsnap.commands.context import Context
    from ocsnap.commands.restore.closing import Closing
    from ocsnap.commands.restore.destination import Destination
    from ocsnap.commands.restore.report import RestoreOptions
    from ocsnap.commands.restore.swap import Move
    from ocsnap.commands.restore.switchover import Switchover
    from ocsnap.database.database import LoadReport
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.snapshot import Snapshot

_DATABASE_ENDS = ("", "-wal", "-shm", "-journal")


@dataclass
class Built:
    """What was built.

    Attributes:
        report: the files.
        loaded: the database.
        kept_file: where an SQLite file that is replaced goes.
        moves: what puts the files in place.
        notes: sentences worth reading.
    """

    report: RestoreReport = field(default_factory=RestoreReport)
    loaded: LoadReport | None = None
    kept_file: str | None = None
    moves: list[Move] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def final(self, path: str) -> str:
        """Return where something that was built is in the end."""
        for move in self.moves:
            if move.built and Path(path).is_relative_to(move.built_path):
                return str(move.place_path / Path(path).relative_to(move.built_path))
        return path


class Builder:
    """Builds one restore."""

    def __init__(
        self,
        switchover: Switchover,
        options: RestoreOptions,
        repository: Repository,
        snapshot: Snapshot,
        destination: Destination | None,
    ) -> None:
        """Keep what is needed.

        Args:
            switchover: journals what is built, and puts it in place.
            options: what and where to.
            repository: synchronised.
            snapshot: what is restored.
            destination: where the site goes; None: into a folder of its own.
        """
        self._switchover = switchover
        self._options = options
        self._repository = repository
        self._snapshot = snapshot
        self._destination = destination
        self._built = Built(moves=list(switchover.journal.moves))
        self._config: SiteConfig | None = None
        self._restorer = Restorer(
            repository,
            monitor=switchover.context.monitor,
            owners=switchover.context.superuser,
            devices=options.devices,
            checksum=options.checksum,
        )

    @property
    def _context(self) -> Context:
        return self._switchover.context

    @property
    def _loads_database(self) -> bool:
        if Part.DATABASE not in self._options.parts:
            return False
        return self._destination is not None or self._options.database_name is not None

    @property
    def _in_place(self) -> bool:
        return bool(self._switchover.journal.moves) or (
            self._loads_database and self._destination is not None
        )

    # -- building ----------------------------------------------------------------------------

    def build(self, layout: Layout) -> Built:
        """Build everything; a failure removes it.

        Args:
            layout: what is built where.

        Returns:
            What was built.

        Raises:
            OcsnapError: nothing is left of it.
        """
        if not self._in_place:
            self._make_folders(layout)
            self._restore_files(layout.placements)
            return self._built
        self._switchover.note()
        try:
            self._build(layout)
        except BaseException:
            self._switchover.abandon()
            raise
        return self._built

    def _build(self, layout: Layout) -> None:
        self._make_folders(layout)
        # The configuration first: it says where the database is, which may refuse us.
        config = [item for item in layout.placements if item.root.kind is RootKind.CONFIG]
        rest = [item for item in layout.placements if item.root.kind is not RootKind.CONFIG]
        if config:
            self._restore_files(config)
            self._adapt_config(config[0])
        staged = self._survey() if self._loads_database else None
        dump = database_root(roots_of(self._snapshot, self._options.parts))
        if dump is not None:
            rest.append(Placement(dump, self._switchover.journal.dump))
        elif self._loads_database:
            raise DamagedError("The snapshot has no database.", hint="Restore with --data.")
        self._restore_files(rest)
        self._scrub()
        if staged is not None:
            self._stage(staged)

    def _restore_files(self, placements: list[Placement]) -> None:
        monitor = self._context.monitor
        total_bytes = sum(placement.root.size_bytes for placement in placements)
        monitor.step("Restoring files", total_bytes=total_bytes)
        report = self._restorer.restore(placements)
        self._refuse_lost_dump(report)
        self._built.report.add(report)

    def _refuse_lost_dump(self, report: RestoreReport) -> None:
        if not self._loads_database:
            return
        dump = Path(os.fsdecode(self._switchover.journal.dump))
        if self._options.target is not None:
            dump = self._options.target.absolute() / Part.DATABASE.value
        lost = [path for path in report.failed if Path(path).is_relative_to(dump)]
        if lost:
            raise DamagedError(
                f"The database dump is damaged in the repository: {', '.join(lost)}.",
                hint="Run ocsnap verify, then restore another --snapshot.",
            )

    def _make_folders(self, layout: Layout) -> None:
        journal = self._switchover.journal
        try:
            for folder in layout.folders:
                # The web server must get through to what stands in its old place; what is put
                # elsewhere is nobody's business.
                make_folder(folder, mode=0o755 if layout.moves else 0o700)
            for closed in journal.folders if self._in_place else ():
                make_closed(Path(os.fsdecode(closed)))
        except OSError as error:
            raise LocalIOError(
                f"{error.filename} cannot be made: {error.strerror}.", hint="Check the rights."
            ) from error

    # -- configuration -----------------------------------------------------------------------

    def _adapt_config(self, placement: Placement) -> None:
        if self._destination is None:
            return
        built = Path(os.fsdecode(placement.target))
        place = self._destination.place(placement.root)
        self._config = adapt(self._context, built, place, self._changes)
        self._switchover.note(opened=self._config.opened)

    def _changes(self, settings: dict[str, object]) -> dict[str, object]:
        """Return those settings of one file that are others now."""
        if self._destination is None:
            return {}
        relocation, choice = self._destination.relocation, self._options.site
        wanted: dict[str, object] = {
            key: moved
            for key, value in settings.items()
            if (moved := relocation.value(value)) != value
        }
        data_dir = str(self._destination.data_dir)
        if data_dir != self._snapshot.owncloud.data_dir and "datadirectory" in settings:
            # It may name a link, of which the snapshot knows only where it led.
            wanted["datadirectory"] = data_dir
        password = None
        if choice.db_password_file is not None:
            password = first_line(choice.db_password_file, "--db-password-file")
        said = {
            "dbhost": choice.db_host,
            "dbname": choice.db_name,
            "dbuser": choice.db_user,
            "dbpassword": password,
        }
        return wanted | {
            key: value
            for key, value in said.items()
            if value is not None and settings.get(key, value) != value
        }

    # -- database ----------------------------------------------------------------------------

    def _survey(self) -> StagedDatabase:
        staged = survey(self._switchover, self._options, self._snapshot, self._config)
        if staged.swap is not None:
            self._switchover.note(database=staged.swap)
        if staged.moves:
            # Before the configuration, which is the last of all.
            moves = self._switchover.journal.moves
            self._switchover.note(moves=[*staged.moves, *moves])
            self._built.moves += staged.moves
            self._built.kept_file = staged.kept_file
        return staged

    def _stage(self, staged: StagedDatabase) -> None:
        reader = DumpFolder(Path(os.fsdecode(self._switchover.journal.dump)))
        loaded, notes = stage(self._switchover, staged, reader, self._destination, self._snapshot)
        self._built.loaded = loaded
        self._built.notes += [*loaded.notes, *notes]

    # -- what must not come back, and what must stay -----------------------------------------

    def _scrub(self) -> None:
        """Remove cron's lock file: ownCloud 8 waits for ever for a job that is dead."""
        for move in self._switchover.journal.moves:
            lock = move.built_path / "cron.lock"
            if move.built and lock.is_file():
                _keeping_times(move.built_path, lock.unlink)

    def _carry_over(self) -> None:
        """Copy an SQLite file that lies in the data directory and is not restored."""
        if self._snapshot.owncloud.database_kind != "sqlite3" or self._loads_database:
            return
        if self._destination is None:
            return
        file = Path(self._destination.relocation.text(self._snapshot.owncloud.database_name))
        for move in self._switchover.journal.moves:
            if move.built and file.is_relative_to(move.place_path):
                built = move.built_path / file.relative_to(move.place_path)
                _keeping_times(built.parent, partial(_copy_database, file, built))

    # -- putting in place --------------------------------------------------------------------

    def put_in_place(self) -> Closing | None:
        """Exchange everything that was built.

        Returns:
            How it ended; None where nothing had to be exchanged.

        Raises:
            OcsnapError: all is as it was before.
            MaintenanceLeftOnError: all was restored, but could not be opened.
        """
        if not self._in_place:
            self._load_from_target()
            return None
        try:
            return self._switchover.run(self._carry_over)
        except BaseException:
            if self._switchover.journal.phase is journals.Phase.BUILDING:
                self._switchover.abandon()
            raise

    def _load_from_target(self) -> None:
        """Load the dump that was put into the target under a name of its own."""
        if not self._loads_database or self._options.target is None:
            return
        site = open_site(self._context, self._switchover.state_dir, demand_data=False)
        name = self._options.database_name or site.settings.name
        if site.settings.kind == "sqlite3":
            name = str(Path(site.settings.name).parent / name)
        self._built.loaded = load_database(
            replace(site.settings, name=name),
            DumpFolder(self._options.target.absolute() / Part.DATABASE.value),
            clock=self._context.clock,
            monitor=self._context.monitor,
        )
        self._built.notes += self._built.loaded.notes


def _copy_database(file: Path, built: Path) -> None:
    for end in _DATABASE_ENDS:
        old = file.with_name(file.name + end)
        if old.exists():
            new = built.with_name(built.name + end)
            shutil.copy2(old, new)
            if os.geteuid() == 0:
                found = old.stat()
                os.chown(new, found.st_uid, found.st_gid)


def _keeping_times(folder: Path, act: Callable[[], object]) -> None:
    with suppress(FileNotFoundError):
        before = folder.stat()
        act()
        os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))

"""The database of a restore: loaded beside what stands there, adapted, and ready to be swapped."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ocsnap.commands.restore.site_rows import adapt_rows
from ocsnap.commands.restore.swap import Move
from ocsnap.commands.site import database_settings, open_site
from ocsnap.config import DatabaseConfig
from ocsnap.database.database import read_manifest
from ocsnap.database.open import open_database
from ocsnap.owncloud.instance import Instance

if TYPE_CHECKING:
    from ocsnap.commands.restore.destination import Destination
    from ocsnap.commands.restore.journal import MysqlSwap
    from ocsnap.commands.restore.report import RestoreOptions
    from ocsnap.commands.restore.site_config import SiteConfig
    from ocsnap.commands.restore.switchover import Switchover
    from ocsnap.database.database import DumpReader, LoadReport
    from ocsnap.database.settings import DatabaseSettings
    from ocsnap.repository.snapshot import Snapshot

_JOURNALS = ("-wal", "-shm", "-journal")


@dataclass(frozen=True)
class StagedDatabase:
    """Where a database will be, and what brings it there.

    Attributes:
        settings: the database as ownCloud will use it.
        loaded: the same, where it is loaded.
        swap: for a server, what will be swapped.
        moves: for an SQLite file that lies in no folder that is exchanged, the files.
        kept_file: where the SQLite file that is replaced goes.
    """

    settings: DatabaseSettings
    loaded: DatabaseSettings
    swap: MysqlSwap | None = None
    moves: list[Move] = field(default_factory=list)
    kept_file: str | None = None


def survey(
    switchover: Switchover, options: RestoreOptions, snapshot: Snapshot, config: SiteConfig | None
) -> StagedDatabase:
    """See that the database can be reached, and choose where to load it; nothing is made yet.

    Args:
        switchover: the restore.
        options: what and where to.
        snapshot: what is restored.
        config: the restored configuration; None: the one that stands there says where it is.

    Returns:
        Where it will be.

    Raises:
        DatabaseError: the server cannot be reached.
        OwncloudError: the configuration names no database that ocsnap knows.
    """
    settings = _renamed(_settings(switchover, options, snapshot, config), options)
    if settings.kind == "sqlite3":
        return _survey_file(switchover, settings)
    from ocsnap.commands.restore.journal import MysqlSwap  # noqa: PLC0415 - as below
    from ocsnap.database.mysql.load import survey as look  # noqa: PLC0415 - PyMySQL only here
    from ocsnap.database.mysql.put_back import standing_programs  # noqa: PLC0415 - the same

    digits = "".join(filter(str.isdigit, switchover.journal.stamp))[:17]
    place = look(settings, when=digits, monitor=switchover.context.monitor)
    swap = MysqlSwap(settings=settings, place=place, programs=standing_programs(settings, place))
    return StagedDatabase(settings, replace(settings, name=place.loaded), swap)


def stage(
    switchover: Switchover,
    staged: StagedDatabase,
    reader: DumpReader,
    destination: Destination | None,
    snapshot: Snapshot,
) -> tuple[LoadReport, list[str]]:
    """Load the dump, compare it with what was dumped, and make it fit its new paths.

    Args:
        switchover: the restore.
        staged: what `survey` returned.
        reader: the dump.
        destination: where the site goes.
        snapshot: what is restored.

    Returns:
        What was loaded, and sentences worth reading.

    Raises:
        DatabaseError: the dump is damaged, or the server refuses.
    """
    monitor = switchover.context.monitor
    if staged.swap is not None:
        from ocsnap.database.mysql.load import stage as load  # noqa: PLC0415 - PyMySQL only here

        switchover.note(database=msgspec.structs.replace(staged.swap, loading=True))
        report = load(staged.settings, staged.swap.place, reader, monitor)
    else:
        report = _build_file(switchover, staged, reader)
    if destination is None:
        return report, []
    before = None if staged.swap else Path(staged.loaded.name).parent.stat()
    database = open_database(staged.loaded, scratch_dir=switchover.state_dir)
    tables = frozenset(table.name for table in read_manifest(reader).tables)
    prefix = snapshot.owncloud.table_prefix
    notes = adapt_rows(database, prefix, tables, destination.relocation, destination.homes)
    if before is not None and not staged.moves:
        # SQLite's journal came and went in the data directory.
        times = (before.st_atime_ns, before.st_mtime_ns)
        os.utime(Path(staged.loaded.name).parent, ns=times)
    return report, notes


def _settings(
    switchover: Switchover, options: RestoreOptions, snapshot: Snapshot, config: SiteConfig | None
) -> DatabaseSettings:
    context = switchover.context
    if config is None:
        return open_site(context, switchover.state_dir, demand_data=False).settings
    main = next(move for move in switchover.journal.moves if _holds_config(move))
    instance = Instance.of_settings(
        config.settings,
        context.config.owncloud,
        config_path=main.built_path / "config.php",
        version=snapshot.owncloud.version,
    )
    overrides = DatabaseConfig()
    if not _is_elsewhere(options, snapshot):
        overrides = context.config.database
    # What the command line says of it stands in config.php by now, and wins.
    site = options.site
    if site.db_host is not None:
        overrides = msgspec.structs.replace(overrides, host=None, port=None, socket=None)
    if site.db_name is not None:
        overrides = msgspec.structs.replace(overrides, name=None)
    if site.db_user is not None:
        overrides = msgspec.structs.replace(overrides, user=None, password_file=None)
    return database_settings(instance, overrides)


def _holds_config(move: Move) -> bool:
    return bool(move.built) and (move.built_path / "config.php").is_file()


def _is_elsewhere(options: RestoreOptions, snapshot: Snapshot) -> bool:
    root = options.site.root
    return root is not None and str(root) != snapshot.owncloud.root


def _renamed(settings: DatabaseSettings, options: RestoreOptions) -> DatabaseSettings:
    wanted = options.database_name
    if wanted is None:
        return settings
    if settings.kind == "sqlite3":
        return replace(settings, name=str(Path(settings.name).parent / wanted))
    return replace(settings, name=wanted)


# -- SQLite ----------------------------------------------------------------------------------


def _survey_file(switchover: Switchover, settings: DatabaseSettings) -> StagedDatabase:
    file, stamp = Path(settings.name), switchover.journal.stamp
    for move in switchover.journal.moves:
        if file.is_relative_to(move.place_path):
            built = move.built_path / file.relative_to(move.place_path)
            return StagedDatabase(settings, replace(settings, name=str(built)))
    moves = [
        Move(
            built=b"" if end else os.fsencode(file.with_name(f".{file.name}.ocsnap-{stamp}")),
            place=os.fsencode(file.with_name(file.name + end)),
            kept=os.fsencode(file.with_name(f"{file.name}.before_{stamp}{end}")),
        )
        # The journals go first: left behind, they would be applied to the new file.
        for end in (*_JOURNALS, "")
    ]
    kept = os.fsdecode(moves[-1].kept) if os.path.lexists(file) else None
    loaded = replace(settings, name=os.fsdecode(moves[-1].built))
    return StagedDatabase(settings, loaded, None, moves, kept)


def _build_file(switchover: Switchover, staged: StagedDatabase, reader: DumpReader) -> LoadReport:
    from ocsnap.database.sqlite.load import build  # noqa: PLC0415 - SQLite only here

    new = Path(staged.loaded.name)
    before = new.parent.stat()
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(new, flags, 0o600)
    try:
        report = build(
            descriptor,
            reader,
            target=Path(staged.settings.name),
            folder=new.parent,
            monitor=switchover.context.monitor,
        )
    finally:
        os.close(descriptor)
    if not staged.moves:
        os.utime(new.parent, ns=(before.st_atime_ns, before.st_mtime_ns))
    return report

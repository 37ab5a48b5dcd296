"""Loading a dump: beside what is there, compared with what was dumped, then swapped in."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ocsnap.database.database import LoadReport, TableInfo, read_manifest
from ocsnap.database.mysql import swap
from ocsnap.database.mysql.comparison import Comparison
from ocsnap.database.mysql.failures import explained
from ocsnap.database.mysql.further_sessions import close, open_further
from ocsnap.database.mysql.names import quoted, stamp
from ocsnap.database.mysql.place import choose, prepared, remove_loaded
from ocsnap.database.mysql.programs import ProgramKind, drop, read_programs
from ocsnap.database.mysql.row_loader import LOADING, RowLoader
from ocsnap.database.mysql.script_loader import ScriptLoader
from ocsnap.database.mysql.session import Session
from ocsnap.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ocsnap.clock import Clock
    from ocsnap.database.database import DumpReader, Manifest
    from ocsnap.database.mysql.place import Place
    from ocsnap.database.settings import DatabaseSettings
    from ocsnap.monitor import Monitor

# What a statement has beside its text in a packet, generously.
_AROUND_A_STATEMENT_BYTES = 1024


def load(
    settings: DatabaseSettings, reader: DumpReader, *, clock: Clock, monitor: Monitor
) -> LoadReport:
    """Load a dump and swap it in; see `load_database`."""
    place = survey(settings, when=stamp(clock.now()), monitor=monitor)
    report = stage(settings, place, reader, monitor)
    try:
        put_in_place(settings, place, reader, monitor)
    except BaseException:
        remove_loaded(settings, place, monitor)
        raise
    return report


def survey(settings: DatabaseSettings, *, when: str, monitor: Monitor) -> Place:
    """See what stands under the database's name, and choose where to load.

    Args:
        settings: the database that is to hold the dump in the end, and how to log in.
        when: digits that make new names unique.
        monitor: is told what earlier loads have left.

    Raises:
        DatabaseError: the server cannot be reached.
    """
    with _session(settings) as session, explained("looking at the database"):
        return choose(session, settings.name, when=when, monitor=monitor)


def stage(
    settings: DatabaseSettings, place: Place, reader: DumpReader, monitor: Monitor
) -> LoadReport:
    """Load a dump beside what stands there, and compare it with what was dumped.

    Args:
        settings: how to log in.
        place: what `survey` chose.
        reader: the dump.
        monitor: is told of the progress.

    Returns:
        What was loaded.

    Raises:
        DatabaseError: the dump is damaged, or the server refuses; nothing is left of it.
    """
    manifest = _manifest(reader)
    with _session(settings) as session, explained("loading the dump"):
        limit = _check_packet(session, manifest)
        with prepared(session, settings, place, manifest.info, monitor):
            session.settle(LOADING)
            loader = _Loader(session, reader, manifest, limit, monitor)
            with _further_sessions(settings, place.loaded) as sessions:
                loader.load_tables(sessions)
                for further in sessions:
                    further.prepare()
                Comparison(session, sessions, manifest, monitor).compare()
            loader.load_programs()
    return LoadReport(
        database=place.target,
        kept=place.kept,
        tables=len(manifest.tables),
        rows=sum(table.rows for table in manifest.tables),
        size_bytes=loader.size_bytes,
        notes=manifest.info.notes,
    )


def put_in_place(
    settings: DatabaseSettings, place: Place, reader: DumpReader, monitor: Monitor
) -> None:
    """Swap in what was staged; what stands there gets the name to be kept under.

    Args:
        settings: how to log in.
        place: what `survey` chose.
        reader: the dump, whose views, triggers, routines and events are made once more.
        monitor: is told of what could not be kept.

    Raises:
        DatabaseError: the swap is not possible; the target is as it was.
    """
    if place.kept is None:
        return  # nothing stood there, so it was loaded into its place
    manifest = _manifest(reader)
    with _session(settings) as session, explained("swapping the loaded database in"):
        limit = _check_packet(session, manifest)
        session.settle(LOADING)
        loader = _Loader(session, reader, manifest, limit, monitor)
        session.execute(f"USE {quoted(place.loaded)}")
        drop(session, read_programs(session))
        swap.swap_in(session, place, manifest.info, loader.load_programs, monitor)
        session.execute(f"DROP DATABASE {quoted(place.loaded)}")


@contextmanager
def _session(settings: DatabaseSettings) -> Iterator[Session]:
    session = Session(settings, database=None)
    try:
        yield session
    finally:
        session.close()


def _manifest(reader: DumpReader) -> Manifest:
    manifest = read_manifest(reader)
    if manifest.info.kind != "mysql":
        raise DatabaseError(
            f"The dump is of a database of the kind {manifest.info.kind}, not mysql.",
            hint="Check dbtype in config.php, or [database] kind.",
        )
    return manifest


def _check_packet(session: Session, manifest: Manifest) -> int:
    """Return the longest statement the server takes; refuse a dump with a longer row."""
    limit = int(session.texts("SELECT @@SESSION.max_allowed_packet")[0][0])
    limit -= _AROUND_A_STATEMENT_BYTES
    for table in manifest.tables:
        if table.largest_row_bytes > limit:
            needed = (table.largest_row_bytes + _AROUND_A_STATEMENT_BYTES) // 2**20 + 1
            raise DatabaseError(
                f"The table {table.name!r} has a row of {table.largest_row_bytes} bytes; the server"
                f" takes {limit} at most.",
                hint=f"Set max_allowed_packet = {needed}M or more in the server's configuration.",
            )
    return limit


@contextmanager
def _row_loader(sessions: Sequence[Session]) -> Iterator[RowLoader | None]:
    """Load rows by some sessions, if there are any, until the context ends."""
    if not sessions:
        yield None
        return
    rows = RowLoader(sessions)
    try:
        yield rows
        rows.wait()
    finally:
        rows.close()


@contextmanager
def _further_sessions(settings: DatabaseSettings, database: str) -> Iterator[Sequence[Session]]:
    """Open sessions that use a database; none where the settings or the server want just one."""
    sessions = open_further(settings, database)
    try:
        yield sessions
    finally:
        close(sessions)


class _Loader:
    """Loads into the session's database."""

    def __init__(
        self,
        session: Session,
        reader: DumpReader,
        manifest: Manifest,
        limit: int,
        monitor: Monitor,
    ) -> None:
        self._session = session
        self._reader = reader
        self._manifest = manifest
        self._limit = limit
        self._monitor = monitor
        self.size_bytes = 0

    def load_tables(self, sessions: Sequence[Session]) -> None:
        total = sum(table.size_bytes for table in self._manifest.tables)
        self._monitor.step("Loading the database", total_bytes=total)
        tables = {table.name: table for table in self._manifest.info.tables}
        with _row_loader(sessions) as rows:
            scripts = self._scripts(rows)
            for table in self._manifest.tables:
                self._monitor.at(table.name)
                with explained(f"loading the table {table.name!r}"):
                    found = tables.get(table.name) or TableInfo(
                        name=table.name, engine="", transactional=False
                    )
                    self.size_bytes += scripts.run_table(found, table.stream)
                self._monitor.advance(files=1)

    def load_programs(self) -> None:
        """Make views, routines, triggers and events, in the session's database as it is now."""
        for kind in ProgramKind:
            if kind.value in self._manifest.others:
                with explained(f"loading {kind.value}"):
                    self._scripts().run(kind.value)
                self._session.prepare()

    def _scripts(self, rows: RowLoader | None = None) -> ScriptLoader:
        return ScriptLoader(self._session, self._reader, self._limit, self._monitor, rows)

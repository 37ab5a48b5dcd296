"""Loading a dump: beside what is there, compared with what was dumped, then swapped in."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pymysql
from pymysql.constants import ER

from ocsnap.database.database import LoadReport, read_manifest
from ocsnap.database.mysql import swap
from ocsnap.database.mysql.columns import read_columns
from ocsnap.database.mysql.failures import code_of, explained
from ocsnap.database.mysql.formatter import new_formatter
from ocsnap.database.mysql.names import quoted, stamp
from ocsnap.database.mysql.place import choose, prepared, remove_loaded
from ocsnap.database.mysql.programs import ProgramKind, drop, read_programs
from ocsnap.database.mysql.schema import read_info, read_tables
from ocsnap.database.mysql.script import ScriptReader
from ocsnap.database.mysql.session import Session
from ocsnap.errors import DatabaseError
from ocsnap.monitor import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.clock import Clock
    from ocsnap.database.database import DumpReader, Manifest, TableRecord
    from ocsnap.database.mysql.place import Place
    from ocsnap.database.settings import DatabaseSettings
    from ocsnap.monitor import Monitor

# What a statement has beside its text in a packet, generously.
_AROUND_A_STATEMENT_BYTES = 1024

# NOT NULL timestamps without a default mean what they say, as SHOW CREATE TABLE writes them.
_LOADING = {"explicit_defaults_for_timestamp": "1", "sql_generate_invisible_primary_key": "0"}


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
            session.settle(_LOADING)
            loader = _Loader(session, reader, manifest, limit, monitor)
            loader.load_tables()
            loader.compare()
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
        session.settle(_LOADING)
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

    def load_tables(self) -> None:
        total = sum(table.size_bytes for table in self._manifest.tables)
        self._monitor.step("Loading the database", total_bytes=total)
        for table in self._manifest.tables:
            self._monitor.at(table.name)
            with explained(f"loading the table {table.name!r}"):
                size = self._run(table.stream)
            self.size_bytes += size
            self._monitor.advance(files=1)

    def load_programs(self) -> None:
        """Make views, routines, triggers and events, in the session's database as it is now."""
        for kind in ProgramKind:
            if kind.value in self._manifest.others:
                with explained(f"loading {kind.value}"):
                    self._run(kind.value)
                self._session.prepare()

    def compare(self) -> None:
        """See that all tables, rows and values came in.

        Raises:
            DatabaseError: something is missing, or differs though the server is the same.
        """
        self._session.prepare()
        present = [table.name for table in read_tables(self._session)]
        wanted = [table.name for table in self._manifest.tables]
        if sorted(present) != sorted(wanted):
            differing = ", ".join(sorted(set(present) ^ set(wanted)))
            raise DatabaseError(f"The loaded database has not the tables of the dump: {differing}.")
        self._monitor.step("Comparing the loaded rows")
        info = read_info(self._session, self._manifest.info.database)
        same_server = info.version == self._manifest.info.version
        for table in self._manifest.tables:
            self._compare_table(table, info.max_allowed_packet_bytes, same_server=same_server)

    def _compare_table(self, table: TableRecord, longest_bytes: int, *, same_server: bool) -> None:
        with explained(f"comparing the table {table.name!r}"):
            columns = read_columns(self._session, table.name)
            formatter = new_formatter()
            selection = formatter.select(columns, longest_bytes=longest_bytes)
            listed = ", ".join(f"{e} AS c{n}" for n, e in enumerate(selection.expressions))
            rows = formatter.read(self._session, f"SELECT {listed} FROM {quoted(table.name)}")
            tally = formatter.count(rows, selection)
        if tally.rows != table.rows:
            raise DatabaseError(
                f"Of the table {table.name!r} {tally.rows} rows were loaded, not {table.rows}."
            )
        if table.checksum is None or tally.checksum == table.checksum:
            return
        if same_server:
            raise DatabaseError(f"The rows of the table {table.name!r} are not those of the dump.")
        self._monitor.problem(
            Problem(
                f"table {table.name}",
                "its rows show differently on this server than on"
                f" {self._manifest.info.version}, where they were dumped.",
            )
        )

    def _run(self, name: str) -> int:
        script = ScriptReader(self._reader.chunks(name), name)
        done = 0
        for statement in script.statements():
            for part in self._parts(statement):
                self._execute(part)
            self._monitor.advance(size_bytes=script.size_bytes - done)
            done = script.size_bytes
        return script.size_bytes

    def _execute(self, statement: bytes) -> None:
        try:
            self._session.execute(statement)
        except pymysql.err.MySQLError as error:
            # A setting that another kind of server has and this one does not, such as MariaDB's
            # check_constraint_checks, has nothing to say here.
            setting = statement.lstrip().startswith(b"SET ")
            if not (setting and code_of(error) == ER.UNKNOWN_SYSTEM_VARIABLE):
                raise

    def _parts(self, statement: bytes) -> Iterator[bytes]:
        """Cut an INSERT that is too long for the server into its rows, one a line."""
        if len(statement) <= self._limit or not statement.startswith(b"INSERT INTO "):
            yield statement
            return
        head, _, rows = statement.partition(b" VALUES\n")
        for row in rows.split(b"\n"):
            yield head + b" VALUES\n" + row.removesuffix(b",")

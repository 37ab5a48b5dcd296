"""Putting a loaded database into the place of the present one, which is kept.

All tables change place in one RENAME TABLE. It refuses tables with triggers, and moves no views,
routines and events: those are made again where they belong. Every step knows how to be undone; when
one fails, all before it are undone and the present database is as it was.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pymysql

from ocsnap.database.mysql.failures import NEEDS_SUPER, code_of, words_of
from ocsnap.database.mysql.names import quoted
from ocsnap.database.mysql.place import charset_clause, refused_creation
from ocsnap.database.mysql.programs import (
    Program,
    ProgramKind,
    broken_views,
    create,
    definers,
    drop,
    read_programs,
)
from ocsnap.database.mysql.schema import (
    database_charset,
    foreign_keys_out_of,
    read_tables,
)
from ocsnap.errors import DatabaseError
from ocsnap.monitor import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ocsnap.database.database import ServerInfo
    from ocsnap.database.mysql.place import Place
    from ocsnap.database.mysql.session import Session
    from ocsnap.monitor import Monitor

# As SHOW CREATE EVENT writes it, after the schedule and before the body.
_ENABLED = re.compile(rb"( ON COMPLETION (?:NOT )?PRESERVE )ENABLE\b")


def swap_in(
    session: Session,
    place: Place,
    info: ServerInfo,
    make_programs: Callable[[], None],
    monitor: Monitor,
) -> None:
    """Swap a loaded database in.

    Args:
        session: a session; uses the target database afterwards.
        place: the loaded database, without programs, the target and the name to keep it under.
        info: what the dump was made of.
        make_programs: makes the dump's programs in the session's database.
        monitor: is told of what could not be kept.

    Raises:
        DatabaseError: the swap is not possible; the target is as it was.
        pymysql.err.MySQLError: the same, in the server's words.
    """
    _Swap(session, place, info, make_programs, monitor).run()


class _Swap:
    def __init__(
        self,
        session: Session,
        place: Place,
        info: ServerInfo,
        make_programs: Callable[[], None],
        monitor: Monitor,
    ) -> None:
        self._session = session
        self._target = place.target
        self._loaded = place.loaded
        self._kept = place.kept or ""
        self._info = info
        self._make_programs = make_programs
        self._monitor = monitor
        self._undo: list[Callable[[], None]] = []

    def run(self) -> None:
        try:
            self._run()
        except BaseException:
            for step in reversed(self._undo):
                try:
                    step()
                except (pymysql.err.MySQLError, DatabaseError) as error:
                    self._monitor.problem(
                        Problem(self._target, f"could not be put back: {words_of(error)}.")
                    )
            raise

    def _run(self) -> None:
        self._use(self._target)
        programs = read_programs(self._session)
        for name in broken_views(self._session, programs):
            self._monitor.note(f"The view {name!r} is broken: it stays where it is.")
        self._refuse_foreign_definers(programs)
        self._make_kept()
        self._remove_programs(programs)
        self._rename()
        self._set_charset()
        self._use(self._target)
        self._undo.append(self._remove_made_programs)
        self._make_programs()
        self._keep_programs([_asleep(program) for program in programs])
        self._use(self._target)

    def _use(self, database: str) -> None:
        self._session.execute(f"USE {quoted(database)}")

    def _refuse_foreign_definers(self, programs: list[Program]) -> None:
        """See beforehand that programs of other accounts could be made again."""
        account = self._session.texts("SELECT CURRENT_USER()")[0][0]
        foreign = sorted(definers(programs) - {account})
        if not foreign:
            return
        self._use(self._loaded)
        try:
            self._session.execute(
                "CREATE DEFINER = 'ocsnap-probe'@'localhost' VIEW `ocsnap probe` AS SELECT 1"
            )
        except pymysql.err.MySQLError as error:
            if code_of(error) != NEEDS_SUPER:
                raise
            raise DatabaseError(
                f"The database {self._target!r} has views, triggers, routines or events of"
                f" {', '.join(foreign)}, which the account {account} may not move.",
                hint="Name an account with SUPER (SET USER) as [database] user and password_file.",
            ) from error
        self._session.execute("DROP VIEW `ocsnap probe`")
        self._use(self._target)

    def _make_kept(self) -> None:
        how = charset_clause(*database_charset(self._session, self._target))
        try:
            self._session.execute(f"CREATE DATABASE {quoted(self._kept)} {how}")
        except pymysql.err.MySQLError as error:
            raise refused_creation(self._session, self._target, error) from error
        self._undo.append(self._drop_kept)

    def _drop_kept(self) -> None:
        self._use(self._kept)
        if read_tables(self._session):
            raise DatabaseError(f"tables are still in {self._kept}")
        self._session.execute(f"DROP DATABASE {quoted(self._kept)}")

    def _remove_programs(self, programs: list[Program]) -> None:
        if programs:
            self._undo.append(lambda: self._put_back(programs))
            drop(self._session, list(reversed(programs)))

    def _put_back(self, programs: list[Program]) -> None:
        self._use(self._target)
        create(self._session, programs)

    def _rename(self) -> None:
        old = self._table_names(self._target)
        new = self._table_names(self._loaded)
        moves = [(self._target, name, self._kept) for name in old]
        moves += [(self._loaded, name, self._target) for name in new]
        self._rename_tables(moves)
        back = [(destination, name, source) for source, name, destination in reversed(moves)]
        self._undo.append(lambda: self._rename_tables(back))
        strays = foreign_keys_out_of(self._session, self._target)
        inside = {self._loaded, self._kept}
        lost = [f"{table}.{key}" for table, key, schema in strays if schema in inside]
        if lost:
            raise DatabaseError(
                "Foreign keys would point to the wrong database after the swap: "
                + ", ".join(sorted(lost))
                + "."
            )

    def _table_names(self, database: str) -> list[str]:
        self._use(database)
        return [table.name for table in read_tables(self._session)]

    def _rename_tables(self, moves: Sequence[tuple[str, str, str]]) -> None:
        if moves:
            self._session.execute(
                "RENAME TABLE "
                + ", ".join(
                    f"{quoted(source)}.{quoted(name)} TO {quoted(destination)}.{quoted(name)}"
                    for source, name, destination in moves
                )
            )

    def _set_charset(self) -> None:
        before = charset_clause(*database_charset(self._session, self._target))
        after = charset_clause(self._info.charset, self._info.collation)
        alter = f"ALTER DATABASE {quoted(self._target)} "
        self._undo.append(lambda: self._run_alter(alter + before))
        self._session.execute(alter + after)

    def _run_alter(self, statement: str) -> None:
        self._session.execute(statement)

    def _remove_made_programs(self) -> None:
        self._use(self._target)
        drop(self._session, list(reversed(read_programs(self._session))))

    def _keep_programs(self, programs: list[Program]) -> None:
        """Make the previous programs in the kept database; one that is broken stops nothing."""
        self._use(self._kept)
        for program in programs:
            if program.early is not None:
                self._session.execute(program.early)
        for program in programs:
            try:
                create(self._session, [replace(program, early=None)])
            except pymysql.err.MySQLError as error:
                text = program.create.decode(errors="replace")
                self._monitor.problem(
                    Problem(
                        f"{self._kept}.{program.name}",
                        f"could not be kept: {words_of(error)}. It was: {text}",
                    )
                )


def _asleep(program: Program) -> Program:
    """Return an event switched off: the kept database must not go on by itself.

    ALTER EVENT ... DISABLE would give it the character set of this session instead of its own.
    """
    if program.kind is not ProgramKind.EVENT:
        return program
    return replace(program, create=_ENABLED.sub(rb"\1DISABLE", program.create, count=1))

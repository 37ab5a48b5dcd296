"""Rows of a dump, loaded by several sessions at once.

One session makes the tables; others run their INSERTs, some in one transaction, so that the server
syncs its log once for all of them. The first failure ends all.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pymysql
from pymysql.constants import ER

from ocsnap.database.mysql.failures import code_of, explained

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsnap.database.mysql.session import Session

BATCH_BYTES = 2 * 1024 * 1024
ATTEMPTS = 5

# NOT NULL timestamps without a default mean what they say, as SHOW CREATE TABLE writes them.
LOADING = {"explicit_defaults_for_timestamp": "1", "sql_generate_invisible_primary_key": "0"}


@dataclass
class Batch:
    """Some INSERTs of one table.

    Attributes:
        table: its name.
        settings: the statements by which a session is made ready for them.
        statements: the INSERTs.
        size_bytes: their length.
    """

    table: str
    settings: tuple[bytes, ...]
    statements: list[bytes] = field(default_factory=list)
    size_bytes: int = 0

    def add(self, statement: bytes) -> None:
        """Add an INSERT."""
        self.statements.append(statement)
        self.size_bytes += len(statement)


class RowLoader:
    """Runs batches on several sessions, in any order."""

    def __init__(self, sessions: Sequence[Session]) -> None:
        """Begin.

        Args:
            sessions: the sessions, used by nobody else until `close`.
        """
        self._sessions = sessions
        self._waiting: queue.Queue[Batch | None] = queue.Queue(1)
        self._failure: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._work, args=(each,), name=f"load-{n}", daemon=True)
            for n, each in enumerate(sessions)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, batch: Batch) -> None:
        """Hand over a batch; waits while one is waiting already.

        Raises:
            BaseException: what an earlier batch failed with.
        """
        self._check()
        self._waiting.put(batch)

    def wait(self) -> None:
        """Wait until all batches are loaded.

        Raises:
            BaseException: what one of them failed with.
        """
        self._waiting.join()
        self._check()

    def close(self) -> None:
        """End the threads; what is still being loaded is cut off."""
        if self._waiting.unfinished_tasks:
            self._failure = self._failure or InterruptedError("the load was given up")
            for session in self._sessions:
                session.abort()
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _work(self, session: Session) -> None:
        ready_for = ""
        while (batch := self._waiting.get()) is not None:
            try:
                if self._failure is None:
                    with explained(f"loading the table {batch.table!r}"):
                        if ready_for != batch.table:
                            _make_ready(session, batch)
                            ready_for = batch.table
                        _load(session, batch)
            except BaseException as error:  # noqa: BLE001 - handed over to the thread that submits
                self._failure = self._failure or error
            finally:
                self._waiting.task_done()


def _make_ready(session: Session, batch: Batch) -> None:
    session.prepare()
    session.settle(LOADING)
    for statement in batch.settings:
        run(session, statement)


def _load(session: Session, batch: Batch) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            session.execute("START TRANSACTION")
            for statement in batch.statements:
                session.execute(statement)
            session.execute("COMMIT")
        except pymysql.err.MySQLError as error:
            # The server gives up one of two transactions that wait for each other, whole.
            if code_of(error) != ER.LOCK_DEADLOCK or attempt == ATTEMPTS:
                raise
        else:
            return


def run(session: Session, statement: bytes) -> None:
    """Run a statement of a dump.

    Args:
        session: runs it.
        statement: the statement.

    Raises:
        pymysql.err.MySQLError: the server refuses it.
    """
    try:
        session.execute(statement)
    except pymysql.err.MySQLError as error:
        # A setting that another kind of server has and this one does not, such as MariaDB's
        # check_constraint_checks, has nothing to say here.
        if not (is_setting(statement) and code_of(error) == ER.UNKNOWN_SYSTEM_VARIABLE):
            raise


def is_setting(statement: bytes) -> bool:
    """Return whether a statement is a SET."""
    return statement.lstrip().startswith(b"SET ")

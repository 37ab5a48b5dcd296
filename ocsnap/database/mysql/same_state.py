"""Several sessions whose snapshots are of the same state, proven without holding anybody up.

Between the begin of two snapshots somebody could write, even in the window: a program other than
ownCloud. InnoDB tells a count that grows whenever a transaction that has changed something ends.
Where it is the same before the first snapshot and after the last one, none has ended in between,
and all see the same. One that was counted before, but was not yet seen to have ended, would
escape: so nobody else's statement may be at work right after the first look.

Locks would prove it too, but LOCK TABLES and FLUSH TABLES WITH READ LOCK can make another's
transaction fail, wait for long statements, and need privileges that ownCloud's account lacks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ocsnap.database.mysql.session import Session

ATTEMPTS = 10
PAUSE_SECONDS = 0.02

# Numbers that transactions get when they begin to write and when they end. Before MariaDB 10.3,
# where INSERTs have an undo log of their own, one that has only inserted gets none at its end.
_MARIADB_COUNT: Final = "Innodb_max_trx_id"
_MARIADB: Final = re.compile(r"(\d+)\.(\d+)\.\d+-MariaDB")
_COUNTS_ENDS: Final = (10, 3)
# Pages that are changed: each end of a transaction changes one, that of its undo log. Purging
# changes some too, for a moment. (What is logged is counted as well, but not by each end.)
_MYSQL_COUNT: Final = "Innodb_buffer_pool_write_requests"

# Writes that come from other servers are no statements that are counted as running here.
_OTHER_WRITERS = ("wsrep_on", "slave_running", "replica_running")


def begin_together(
    session: Session, readers: Sequence[Session], begin: Callable[[Session], None]
) -> bool:
    """Open the snapshots of a session and of some readers.

    Args:
        session: gets a snapshot in any case.
        readers: further sessions.
        begin: opens the snapshot of one.

    Returns:
        Whether the readers' snapshots are proven to be of the same state.

    Raises:
        pymysql.err.MySQLError: the server refuses.
    """
    if readers and not _has_other_writers(session):
        count = name_of_count(session.texts("SELECT VERSION()")[0][0])
        for _ in range(ATTEMPTS):
            before = _ended(session, count)
            if before and _is_alone(session):
                for each in (session, *readers):
                    begin(each)
                if _ended(session, count) == before:
                    return True
            session.rows(f"SELECT SLEEP({PAUSE_SECONDS})")
    begin(session)
    return False


def _ended(session: Session, count: str) -> int:
    """Return what grows when a transaction ends; 0 where the server does not tell."""
    name = count.replace("_", "\\_")
    rows = session.texts(f"SHOW GLOBAL STATUS LIKE '{name}'")
    return int(rows[0][1]) if rows else 0


def name_of_count(version: str) -> str:
    """Return the server's status variable that grows whenever a transaction ends.

    Args:
        version: what the server calls itself.
    """
    found = _MARIADB.search(version)
    if found and (int(found[1]), int(found[2])) >= _COUNTS_ENDS:
        return _MARIADB_COUNT
    return _MYSQL_COUNT


def _is_alone(session: Session) -> bool:
    rows = session.texts("SHOW GLOBAL STATUS LIKE 'Threads\\_running'")
    return rows == [("Threads_running", "1")]


def _has_other_writers(session: Session) -> bool:
    rows = session.texts("SHOW GLOBAL VARIABLES LIKE 'wsrep\\_on'")
    rows += session.texts("SHOW GLOBAL STATUS WHERE Variable_name LIKE '%\\_running'")
    return any(name.lower() in _OTHER_WRITERS and value == "ON" for name, value in rows)

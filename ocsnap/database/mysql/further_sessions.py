"""Sessions beside the one that leads: they read or load at once, where the server has so many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pymysql

from ocsnap.database.mysql.session import Session
from ocsnap.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsnap.database.settings import DatabaseSettings


def open_further(settings: DatabaseSettings, database: str) -> tuple[Session, ...]:
    """Return as many sessions as the settings want; none where the server has not so many.

    Args:
        settings: how to log in; `sessions` of 1 wants none.
        database: what they use.
    """
    opened: list[Session] = []
    try:
        for _ in range(settings.sessions if settings.sessions > 1 else 0):
            opened.append(Session(settings, database=database))  # noqa: PERF401 - closed if one fails
    except (DatabaseError, pymysql.err.MySQLError):
        # Most likely max_connections: one session alone can do everything.
        close(opened)
        return ()
    except BaseException:
        close(opened)
        raise
    return tuple(opened)


def close(sessions: Sequence[Session]) -> None:
    """Close sessions."""
    for session in sessions:
        session.close()

"""Names: quoted for SQL, turned into names of streams, and made up for scratch databases."""

from __future__ import annotations

import hashlib
import time
from urllib.parse import quote

LONGEST_DATABASE_NAME = 64
LONGEST_STREAM_NAME = 150


def quoted(name: str) -> str:
    """Return a name as SQL wants it, in backquotes."""
    return "`" + name.replace("`", "``") + "`"


def name_literal(name: str) -> str:
    """Return a name as an SQL text that passes any character set and sql_mode unchanged."""
    return f"CONVERT(0x{name.encode().hex()} USING utf8)"


def text_literal(text: str) -> str:
    """Return a text as an SQL literal, for a session without NO_BACKSLASH_ESCAPES."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''").replace("\0", "\\0") + "'"


def table_stream(table: str) -> str:
    """Return the name of the stream that holds a table.

    Args:
        table: the table's name; any characters.

    Returns:
        `tables/<table>.sql`, characters beside letters, digits, `_`, `-`, `$` and `.` as %XX; a
        name that would be too long for a file ends in a hash instead.
    """
    plain = quote(table, safe="$")
    if plain.startswith("."):
        plain = "%2E" + plain[1:]
    if len(plain) > LONGEST_STREAM_NAME:
        plain = plain[:100] + "-" + hashlib.sha256(table.encode()).hexdigest()[:32]
    return f"tables/{plain}.sql"


def stamp(seconds: float) -> str:
    """Return a time, in seconds since the epoch, as 17 digits in UTC: down to milliseconds."""
    whole = int(seconds)
    thousandths = int((seconds - whole) * 1000)
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(whole)) + f"{thousandths:03}"


def beside(database: str, role: str, when: str) -> str:
    """Return a name for a database that stands beside another.

    Args:
        database: the other's name.
        role: "ocsnap" for one being loaded, "before" for one that was replaced.
        when: digits, from `stamp`.

    Returns:
        `<database>_<role>_<when>`, the first part cut where MySQL's limit of 64 asks for it.
    """
    end = f"_{role}_{when}"
    return database[: LONGEST_DATABASE_NAME - len(end)] + end

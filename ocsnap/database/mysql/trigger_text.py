"""The body of a trigger out of the statement that once made it.

SHOW CREATE TRIGGER returns that statement as it was typed, with the database's name where somebody
typed it: loaded under another name it would be refused. The rest of the statement can be rebuilt
from information_schema; only the body has to be found.
"""

from __future__ import annotations

import re

from ocsnap.errors import DatabaseError

# Comments, quoted names and texts, words, and single characters.
_TOKEN = re.compile(
    rb"""\s+ | /\*.*?\*/ | --[ \t][^\n]*\n | \#[^\n]*\n
       | `(?:[^`]|``)*` | "(?:[^"\\]|""|\\.)*" | '(?:[^'\\]|''|\\.)*'
       | [\w$\x80-\xff]+ | .""",
    re.VERBOSE | re.DOTALL,
)
_BODY_MARK = (b"FOR", b"EACH", b"ROW")
_ORDER_WORDS = (b"FOLLOWS", b"PRECEDES")


def trigger_body(statement: bytes) -> bytes:
    """Return what comes after FOR EACH ROW, without FOLLOWS or PRECEDES.

    Args:
        statement: what SHOW CREATE TRIGGER returned.

    Returns:
        The body. Triggers are created again in their order, which replaces FOLLOWS and PRECEDES.

    Raises:
        DatabaseError: there is no body to be found.
    """
    words: list[bytes] = []
    tokens = _TOKEN.finditer(statement)
    for token in tokens:
        text = token.group()
        if not _is_blank(text):
            words = [*words[-2:], text.upper()]
        if tuple(words) == _BODY_MARK:
            return _without_order(statement[token.end() :])
    raise DatabaseError("The database server shows a trigger that has no FOR EACH ROW.")


def _without_order(body: bytes) -> bytes:
    tokens = (token for token in _TOKEN.finditer(body) if not _is_blank(token.group()))
    first = next(tokens, None)
    if first is None or first.group().upper() not in _ORDER_WORDS:
        return body.strip()
    other = next(tokens, None)
    if other is None:
        raise DatabaseError("The database server shows a trigger that follows nothing.")
    return body[other.end() :].strip()


def _is_blank(text: bytes) -> bool:
    # What stands in /*!...*/ is run by the server, but no keyword of a trigger's head does.
    return text.isspace() or text.startswith((b"/*", b"-- ", b"--\t", b"#"))

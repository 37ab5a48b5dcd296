"""The words that PHP source consists of, as far as files of literals need them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ocsnap.errors import OwncloudError

if TYPE_CHECKING:
    from pathlib import Path

WITHOUT_PHP = "Without PHP only literals can be read: install php-cli or set owncloud.php."
_OPENING = re.compile(r"(?:\xef\xbb\xbf)?\s*<\?php(?=\s|\Z)", re.IGNORECASE)
# Strings are matched without alternation over single characters, so that long ones stay cheap.
_TOKEN = re.compile(
    r"""
    (?P<space> \s+ | (?:\#(?!\[)|//)(?:(?!\?>)[^\r\n])* | /\*.*?\*/ )
  | (?P<number> 0[xX][0-9a-fA-F_]+ | 0[bB][01_]+ | 0[oO][0-7_]+
      | (?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)? )
  | (?P<single> '[^'\\]*(?:\\.[^'\\]*)*' )
  | (?P<double> "[^"\\]*(?:\\.[^"\\]*)*" )
  | (?P<variable> \$[A-Za-z_\x80-\xff][\w\x80-\xff]* )
  | (?P<name> \\?[A-Za-z_\x80-\xff][\w\\\x80-\xff]*(?:::[A-Za-z_]\w*)? )
  | (?P<closing> \?>\s*\Z )
  | (?P<mark> => | [\[\](){}.,;=+*&<>?!|@^%:~$`-] )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_SINGLE_ESCAPE = re.compile(r"\\([\\'])")
_DOUBLE_ESCAPE = re.compile(
    r"\\(?:(?P<octal>[0-7]{1,3})|x(?P<hex>[0-9A-Fa-f]{1,2})|u\{(?P<point>[0-9A-Fa-f]+)\}"
    r"|(?P<letter>[nrtvef\\$\"]))"
)
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "v": "\v", "e": "\x1b", "f": "\f"}
_INTERPOLATION = re.compile(r"(?<!\\)(?:\\\\)*(?:\$[A-Za-z_\x80-\xff{]|\{\$)")


class Token(NamedTuple):
    """One word of the source.

    Attributes:
        kind: "number", "single", "double", "variable", "name", "mark" or "end".
        text: the word as it stands there, one character per byte.
        line: its line, from 1.
    """

    kind: str
    text: str
    line: int


def tokens(source: bytes, path: Path) -> list[Token]:
    """Split a PHP file into words.

    Args:
        source: the file's bytes.
        path: the file's name, for messages.

    Returns:
        The words without comments, and an "end" after the last.

    Raises:
        OwncloudError: the file is empty, is no PHP, or ends inside a string or a comment.
    """
    text = source.decode("latin-1")
    opening = _OPENING.match(text)
    if opening is None:
        reason = "does not begin with <?php" if text.strip() else "is empty, it may have been cut"
        raise OwncloudError(f"{path}: {reason}.", hint=WITHOUT_PHP)
    found: list[Token] = []
    position, line = opening.end(), 1 + opening.group().count("\n")
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            reason = _why_not(text[position : position + 2])
            raise OwncloudError(f"{path}, line {line}: {reason}.", hint=WITHOUT_PHP)
        kind = str(match.lastgroup)
        if kind == "closing":
            found.append(Token("mark", ";", line))
        elif kind != "space":
            found.append(Token(kind, match.group(), line))
        position = match.end()
        line += match.group().count("\n")
    found.append(Token("end", "the end of the file", line))
    return found


def unquote(token: Token, path: Path) -> str:
    r"""Return what a quoted string stands for.

    Args:
        token: a "single" or "double".
        path: the file's name, for messages.

    Returns:
        The string, one character per byte. Escapes:
        https://www.php.net/manual/en/language.types.string.php.

    Raises:
        OwncloudError: the string has a variable in it.
    """
    inner = token.text[1:-1]
    if token.kind == "single":
        return _SINGLE_ESCAPE.sub(r"\1", inner)
    if _INTERPOLATION.search(inner):
        reason = "a string has a variable in it"
        raise OwncloudError(f"{path}, line {token.line}: {reason}.", hint=WITHOUT_PHP)
    try:
        return _DOUBLE_ESCAPE.sub(_unescape, inner)
    except (ValueError, OverflowError):
        reason = "a string has a character beyond Unicode"
        raise OwncloudError(f"{path}, line {token.line}: {reason}.", hint=WITHOUT_PHP) from None


def _unescape(match: re.Match[str]) -> str:
    if octal := match["octal"]:
        return chr(int(octal, 8) & 0xFF)
    if digits := match["hex"]:
        return chr(int(digits, 16))
    if point := match["point"]:
        # PHP encodes surrogates too.
        return chr(int(point, 16)).encode("utf-8", "surrogatepass").decode("latin-1")
    return _LETTERS.get(match["letter"], match["letter"])


def _why_not(rest: str) -> str:
    if rest[0] in "'\"":
        return "a string does not end, the file may be cut"
    if rest == "/*":
        return "a comment does not end, the file may be cut"
    return f"{rest[0]!r} is not expected here"

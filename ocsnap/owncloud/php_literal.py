"""Reads PHP files that only assign literals, such as config.php, where there is no PHP.

The grammar is the part of https://www.php.net/manual/en/langref.php that var_export() writes and
that people use in config.php: strings, numbers, constants, arrays, concatenation, sums, products.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from ocsnap.errors import OwncloudError
from ocsnap.owncloud.php_tokens import WITHOUT_PHP, Token, tokens, unquote
from ocsnap.owncloud.php_value import PhpArray, PhpValue, plain

if TYPE_CHECKING:
    from pathlib import Path

_MAX_DEPTH = 100
_LONG_DIGITS = 300  # far beyond 64 bits, below the length that int() refuses
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
_INTEGER_KEY = re.compile(r"(?:0|-?[1-9][0-9]*)\Z")
# The numbers are those of PHP's own MySQL driver, mysqlnd.
_CONSTANTS: dict[str, PhpValue] = {
    "DIRECTORY_SEPARATOR": "/",
    "INF": float("inf"),
    "NAN": float("nan"),
    "PDO::MYSQL_ATTR_INIT_COMMAND": 1002,
    "PDO::MYSQL_ATTR_SSL_CA": 1009,
    "PDO::MYSQL_ATTR_SSL_CAPATH": 1010,
    "PDO::MYSQL_ATTR_SSL_CERT": 1008,
    "PDO::MYSQL_ATTR_SSL_CIPHER": 1011,
    "PDO::MYSQL_ATTR_SSL_KEY": 1007,
    "PDO::MYSQL_ATTR_SSL_VERIFY_SERVER_CERT": 1014,
    "PHP_EOL": "\n",
    "PHP_INT_MAX": _INT_MAX,
    "PHP_INT_MIN": _INT_MIN,
}
_WORDS: dict[str, PhpValue] = {"true": True, "false": False, "null": None}


def parse_assignments(source: bytes, path: Path) -> dict[str, object]:
    """Read every variable that a PHP file sets.

    Args:
        source: the file's bytes.
        path: the file's name, for `__DIR__`, `__FILE__` and messages.

    Returns:
        The last value of each variable, by its name without the dollar sign.

    Raises:
        OwncloudError: the file ends too early or does something else than assign literals; the
            message names the file and the line.
    """
    variables = _Parser(source, path).document()
    return {name: plain(value) for name, value in variables.items()}


class _Parser:
    def __init__(self, source: bytes, path: Path) -> None:
        self._path = path
        self._tokens = tokens(source, path)
        self._next = 0
        self._depth = 0

    def document(self) -> dict[str, PhpValue]:
        variables: dict[str, PhpValue] = {}
        while self._look().kind != "end":
            if self._accept(";"):
                continue
            self._assignment(variables)
        return variables

    def _assignment(self, variables: dict[str, PhpValue]) -> None:
        name = self._take("variable").text[1:]
        keys: list[int | str | None] = []
        while self._accept("["):
            keys.append(None if self._look().text == "]" else self._key(self._expression()))
            self._expect("]")
        self._expect("=")
        value = self._expression()
        self._expect(";")
        if not keys:
            variables[name] = value
            return
        target = variables.setdefault(name, {})
        for key in keys[:-1]:
            target = self._inner(target, key)
        self._store(target, keys[-1], value)

    def _inner(self, target: PhpValue, key: int | str | None) -> PhpValue:
        if isinstance(target, dict) and key in target:
            return target[key]
        inner: PhpArray = {}
        self._store(target, key, inner)
        return inner

    def _store(self, target: PhpValue, key: int | str | None, value: PhpValue) -> None:
        if not isinstance(target, dict):
            raise self._error(self._look(), "an element of something that is no array is set")
        if key is None:
            key = max((used for used in target if isinstance(used, int)), default=-1) + 1
            key = max(key, 0)
        target[key] = value

    def _expression(self) -> PhpValue:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error(self._look(), f"more than {_MAX_DEPTH} levels are nested")
        value = self._sum()
        while self._accept("."):
            value = self._joined(value) + self._joined(self._sum())
        self._depth -= 1
        return value

    def _joined(self, value: PhpValue) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        raise self._error(self._look(), "only strings and whole numbers can be joined here")

    def _sum(self) -> PhpValue:
        value = self._product()
        while self._look().text in ("+", "-"):
            sign = self._advance().text
            left, right = self._number(value), self._number(self._product())
            value = _limited(left + right if sign == "+" else left - right)
        return value

    def _product(self) -> PhpValue:
        value = self._signed()
        while self._accept("*"):
            value = _limited(self._number(value) * self._number(self._signed()))
        return value

    def _signed(self) -> PhpValue:
        signs = 0
        negative = False
        while self._look().text in {"-", "+"}:
            negative ^= self._advance().text == "-"
            signs += 1
        value = self._primary()
        if not signs:
            return value
        number = self._number(value)
        return _limited(-number if negative else number)

    def _number(self, value: PhpValue) -> int | float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._error(self._look(), "only numbers can be calculated with here")
        return value

    def _primary(self) -> PhpValue:
        token = self._advance()
        if token.kind in ("single", "double"):
            return unquote(token, self._path)
        if token.kind == "number":
            return self._literal_number(token)
        if token.text == "[":
            return self._array("]")
        if token.text == "(":
            value = self._expression()
            self._expect(")")
            return value
        if token.kind == "name":
            return self._name(token)
        raise self._error(token, f"found {token.text!r}, expected a value")

    def _literal_number(self, token: Token) -> int | float:
        try:
            return _number(token.text)
        except ValueError:
            raise self._error(token, f"{token.text!r} is no number") from None

    def _name(self, token: Token) -> PhpValue:
        name = token.text.lstrip("\\")
        if name.lower() == "array" and self._accept("("):
            return self._array(")")
        if name.lower() in _WORDS:
            return _WORDS[name.lower()]
        if name.upper() == "__DIR__":
            return bytes(self._path.parent).decode("latin-1")
        if name.upper() == "__FILE__":
            return bytes(self._path).decode("latin-1")
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        raise self._error(token, f"{name} is neither a literal nor a known constant")

    def _array(self, closing: str) -> PhpArray:
        result: PhpArray = {}
        while not self._accept(closing):
            value = self._expression()
            if self._accept("=>"):
                self._store(result, self._key(value), self._expression())
            else:
                self._store(result, None, value)
            if not self._accept(","):
                self._expect(closing)
                break
        return result

    def _key(self, value: PhpValue) -> int | str:
        """Convert as PHP does: https://www.php.net/manual/en/language.types.array.php."""
        if value is None:
            return ""
        if isinstance(value, str):
            whole = _INTEGER_KEY.match(value) and _INT_MIN <= int(value) <= _INT_MAX
            return int(value) if whole else value
        if isinstance(value, int | float) and math.isfinite(value):
            return int(value)
        raise self._error(self._look(), "this cannot be a key")

    def _look(self) -> Token:
        return self._tokens[self._next]

    def _advance(self) -> Token:
        token = self._look()
        if token.kind == "end":
            raise self._error(token, "the file ends in the middle of a statement, it may be cut")
        self._next += 1
        return token

    def _accept(self, mark: str) -> bool:
        token = self._look()
        if token.kind != "mark" or token.text != mark:
            return False
        self._next += 1
        return True

    def _expect(self, mark: str) -> None:
        token = self._advance()
        if token.kind != "mark" or token.text != mark:
            raise self._error(token, f"found {token.text!r}, expected {mark!r}")

    def _take(self, kind: str) -> Token:
        token = self._advance()
        if token.kind != kind:
            raise self._error(token, f"found {token.text!r}, expected a {kind}")
        return token

    def _error(self, token: Token, reason: str) -> OwncloudError:
        return OwncloudError(f"{self._path}, line {token.line}: {reason}.", hint=WITHOUT_PHP)


def _number(literal: str) -> int | float:
    digits = literal.replace("_", "").lower()
    if digits.startswith(("0x", "0b", "0o")):
        return _limited(int(digits, 0))
    if any(mark in digits for mark in ".e") or len(digits) > _LONG_DIGITS:
        return float(digits)
    octal = digits.startswith("0") and digits.strip("0") != ""
    return _limited(int(digits, 8 if octal else 10))


def _limited(number: float) -> int | float:
    """A whole number that does not fit into 64 bits becomes a float, as in PHP."""
    if isinstance(number, float) or _INT_MIN <= number <= _INT_MAX:
        return number
    try:
        return float(number)
    except OverflowError:
        return math.copysign(math.inf, number)

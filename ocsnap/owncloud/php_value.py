"""PHP's values while they are read, and as the rest of ocsnap sees them.

While they are read, strings hold one byte per character (latin-1) and arrays are dicts, since
that is what PHP has: byte strings, and one kind of array.
"""

from __future__ import annotations

from typing import TypeAlias

PhpScalar: TypeAlias = str | int | float | bool | None
PhpArray: TypeAlias = dict["int | str", "PhpValue"]
PhpValue: TypeAlias = PhpScalar | PhpArray


def text(raw: str) -> str:
    """Return a byte string as text.

    Args:
        raw: one character per byte.

    Returns:
        The bytes decoded as UTF-8; what is no UTF-8 is kept by surrogate escapes, as Python
        does with file names (PEP 383).
    """
    return raw.encode("latin-1").decode("utf-8", "surrogateescape")


def plain(value: PhpValue) -> object:
    """Return a value as Python code likes it.

    Args:
        value: as it was read.

    Returns:
        The same with strings as text, and with arrays whose keys are 0, 1, 2 and so on as lists.
    """
    if isinstance(value, str):
        return text(value)
    if not isinstance(value, dict):
        return value
    if list(value) == list(range(len(value))):
        return [plain(item) for item in value.values()]
    return {text(key) if isinstance(key, str) else key: plain(item) for key, item in value.items()}


def truth(value: object) -> bool:
    """Return whether PHP takes a value for true.

    Args:
        value: a plain value.

    Returns:
        False for false, null, 0, "", "0" and the empty array; true for all else, "false" included
        (https://www.php.net/manual/en/language.types.boolean.php).
    """
    return bool(value) and value != "0"

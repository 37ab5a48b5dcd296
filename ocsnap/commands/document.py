"""Records as JSON documents, whatever stands in the names of users' files."""

from __future__ import annotations

import msgspec


def document(value: object) -> object:
    """Turn records into what JSON can carry.

    Args:
        value: records, lists, numbers and texts.

    Returns:
        The same of plain lists, dictionaries, numbers and texts; names from a disk may hold
        surrogates, which JSON cannot carry: they are written as escapes.
    """
    return _escaped(msgspec.to_builtins(value))


def _escaped(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list | tuple):
        return [_escaped(item) for item in value]
    if isinstance(value, dict):
        return {_escaped(key): _escaped(item) for key, item in value.items()}
    return value

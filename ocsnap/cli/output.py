"""Results on standard output: text for people, one JSON document for scripts."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from ocsnap.cli.text import printable

if TYPE_CHECKING:
    from ocsnap.errors import OcsnapError


def print_json(value: object) -> None:
    """Print one JSON document.

    Args:
        value: records, lists, numbers and texts.
    """
    document = msgspec.json.format(msgspec.json.encode(_clean(value)), indent=2)
    sys.stdout.write(document.decode() + "\n")


def print_text(text: str) -> None:
    """Print text for people, line by line, with nothing in it that a terminal would obey."""
    for line in text.split("\n"):
        sys.stdout.write(printable(line) + "\n")


def print_error(error: OcsnapError, *, json: bool) -> None:
    """Tell of a failure: on standard error, or as the JSON document on standard output.

    Args:
        error: the failure.
        json: whether a script is listening.
    """
    status = error.exit_status
    if json:
        told = {"kind": status.name.lower(), "exit_status": int(status)}
        print_json({"error": {**told, "message": error.message, "hint": error.hint}})
    else:
        sys.stderr.write(f"ocsnap: {printable(str(error))}\n")


def _clean(value: object) -> object:
    """Names from a disk may hold surrogates, which JSON cannot carry: write them as escapes."""
    plain = msgspec.to_builtins(value)
    return _escaped(plain)


def _escaped(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list | tuple):
        return [_escaped(item) for item in value]
    if isinstance(value, dict):
        return {_escaped(key): _escaped(item) for key, item in value.items()}
    return value

"""Results on standard output: text for people, one JSON document for scripts."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

import msgspec

from ocsnap.cli.journal import Priority, is_journal
from ocsnap.cli.text import printable
from ocsnap.commands.document import document
from ocsnap.errors import LocalIOError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.errors import ExitStatus, OcsnapError


def print_json(value: object) -> None:
    """Print one JSON document.

    Args:
        value: records, lists, numbers and texts.

    Raises:
        LocalIOError: standard output cannot be written.
    """
    text = msgspec.json.format(msgspec.json.encode(document(value)), indent=2)
    _write(text.decode() + "\n")


def print_text(text: str) -> None:
    """Print text for people, line by line, with nothing in it that a terminal would obey.

    Args:
        text: lines.

    Raises:
        LocalIOError: standard output cannot be written.
    """
    _write("".join(printable(line) + "\n" for line in text.split("\n")))


def print_error(error: OcsnapError, *, json: bool) -> None:
    """Tell of a failure: on standard error, or as the JSON document on standard output.

    Args:
        error: the failure.
        json: whether a script is listening.
    """
    print_failure(error.exit_status, error.message, error.hint, json=json)


def print_failure(status: ExitStatus, message: str, hint: str, *, json: bool) -> None:
    """Tell of a failure that may be no `OcsnapError`.

    Args:
        status: what the program will exit with.
        message: one sentence.
        hint: what to do about it, or an empty string.
        json: whether a script is listening.
    """
    if json:
        told = {"kind": status.name.lower(), "exit_status": int(status)}
        with contextlib.suppress(LocalIOError):  # then nobody is listening any more
            print_json({"error": {**told, "message": message, "hint": hint}})
            return
    head = f"<{Priority.ERROR}>" if is_journal(sys.stderr, os.environ) else ""
    sys.stderr.write(f"{head}ocsnap: {printable(f'{message} {hint}'.rstrip())}\n")


def write_bytes(data: bytes) -> None:
    """Write the content of a file as it is.

    Args:
        data: some of it.

    Raises:
        LocalIOError: standard output cannot be written.
    """
    with _written():
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def _write(text: str) -> None:
    with _written():
        sys.stdout.write(text)
        sys.stdout.flush()


@contextlib.contextmanager
def _written() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # What could not be written would be tried once more, with a traceback, on exit.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        raise LocalIOError(f"Standard output cannot be written: {error.strerror}.") from error

"""Results on standard output: text for people, one JSON document for scripts."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from ocsnap.cli.journal import Priority, is_journal
from ocsnap.cli.text import printable
from ocsnap.commands.document import document
from ocsnap.errors import LocalIOError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.console import RenderableType

    from ocsnap.cli.text_table import TextTable
    from ocsnap.errors import ExitStatus


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


def is_terminal() -> bool:
    """Return whether a person reads the results, so that they may be drawn."""
    return sys.stdout.isatty()


def print_parts(parts: Iterable[str | TextTable]) -> None:
    """Print text and tables: drawn at a terminal, plain where a program or a file gets them.

    Args:
        parts: lines, and tables among them.

    Raises:
        LocalIOError: standard output cannot be written.
    """
    if not is_terminal():
        lines = ([part] if isinstance(part, str) else part.lines() for part in parts)
        print_text("\n".join(itertools.chain.from_iterable(lines)))
        return
    for part in parts:
        print_drawn(partial(_words, part) if isinstance(part, str) else part.drawn)


def print_drawn(draw: Callable[[int], RenderableType]) -> None:
    """Print what rich draws.

    Args:
        draw: returns it for a terminal of so many columns, without anything in it that a terminal
            would obey.

    Raises:
        LocalIOError: standard output cannot be written.
    """
    from rich.console import Console  # noqa: PLC0415 - rich only for a terminal

    console = Console(file=sys.stdout)
    with console.capture() as captured:
        console.print(draw(console.width))
    _write(captured.get())


def _words(text: str, columns: int) -> RenderableType:
    """Return text that is broken between words."""
    from rich.text import Text  # noqa: PLC0415 - rich only for a terminal

    del columns
    return Text("\n".join(map(printable, text.split("\n"))))


def print_failure(status: ExitStatus, message: str, hint: str, *, json: bool) -> None:
    """Tell of a failure: on standard error, or as the JSON document on standard output.

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

"""Asking a person at the terminal."""

from __future__ import annotations

import getpass
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ocsnap.cli.text import printable
from ocsnap.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsnap.monitor import Monitor


@runtime_checkable
class Pausable(Protocol):
    """A display that is drawn again and again, and would draw over a question."""

    def paused(self) -> AbstractContextManager[None]:
        """Draw nothing for the length of a block."""
        ...


def is_confirmed(lines: Sequence[str], question: str, monitor: Monitor) -> bool:
    """Ask for a yes, on standard error, since standard output may go to a file.

    Args:
        lines: what to know before.
        question: what is asked.
        monitor: the display, which stands still meanwhile.

    Returns:
        Whether the answer is yes; no answer is none.
    """
    with monitor.paused() if isinstance(monitor, Pausable) else nullcontext():
        sys.stderr.write("".join(printable(line) + "\n" for line in lines))
        sys.stderr.write(f"{question} [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")


def tell(text: str = "") -> None:
    """Say something between questions, on standard error.

    Args:
        text: lines.
    """
    sys.stderr.write("".join(printable(line) + "\n" for line in text.split("\n")))
    sys.stderr.flush()


def answer(question: str, default: str = "") -> str:
    """Ask for a text, on standard error.

    Args:
        question: what is asked.
        default: what an empty answer stands for.

    Returns:
        The answer, without blanks around it.

    Raises:
        RefusedError: nobody answers any more.
    """
    shown = f" [{printable(default)}]" if default else ""
    sys.stderr.write(f"{question}{shown}: ")
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise RefusedError("There was no answer.")
    return line.strip() or default


def secret_answer(question: str) -> str:
    """Ask for something that must not appear on the screen.

    Args:
        question: what is asked.

    Returns:
        The answer, without blanks around it.

    Raises:
        RefusedError: nobody answers any more.
    """
    try:
        return getpass.getpass(f"{question}: ", stream=sys.stderr).strip()
    except EOFError:
        raise RefusedError("There was no answer.") from None

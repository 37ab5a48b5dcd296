"""Asking a person at the terminal."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ocsnap.cli.text import printable

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

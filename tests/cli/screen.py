"""A terminal of a given width, and what a person sees in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pexpect
import pyte

from tests.cli.installation import REPOSITORY, TIMEOUT_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.installation import Installation

ROWS = 80


@dataclass(frozen=True)
class Seen:
    """What stood on the screen.

    Attributes:
        status: the exit status.
        last: its lines at the end.
        ever: every line that stood there at any time.
    """

    status: int
    last: list[str]
    ever: set[str]


def watch(installation: Installation, columns: int, *arguments: str | Path) -> Seen:
    """Run ocsnap in a terminal so wide, and look at the screen after each thing that is written."""
    command = installation.command(*arguments)
    screen = pyte.Screen(columns, ROWS)
    stream = pyte.Stream(screen)
    child = pexpect.spawn(
        command[0],
        command[1:],
        cwd=str(REPOSITORY),
        env={**installation.environment, "TERM": "xterm-256color"},
        encoding="utf-8",
        dimensions=(ROWS, columns),
        timeout=TIMEOUT_SECONDS,
    )
    ever: set[str] = set()
    with child:
        while True:
            try:
                stream.feed(child.read_nonblocking(1024, TIMEOUT_SECONDS))
            except pexpect.EOF:
                break
            ever |= set(lines(screen))
        child.wait()
    return Seen(child.exitstatus, lines(screen), ever)


def lines(screen: pyte.Screen) -> list[str]:
    """Return the lines of a screen without the empty ones."""
    return [line.rstrip() for line in screen.display if line.strip()]

"""An admin at a terminal: answers questions as they come."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pexpect

from tests.cli.installation import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.installation import Installation

PATIENCE_SECONDS = 60


@dataclass
class Talk:
    """What was said at a terminal.

    Attributes:
        child: the program.
        shown: all that appeared there.
    """

    child: Any
    shown: str = field(default="")

    def answers(self, question: str, answer: str | Callable[[], str]) -> None:
        """Wait for a question, and type an answer."""
        self.child.expect_exact(question)
        self.shown += self.child.before + self.child.after
        self.child.sendline(answer if isinstance(answer, str) else answer())

    def ends(self) -> int:
        """Wait for the end; return the exit status."""
        self.child.expect(pexpect.EOF)
        self.shown += self.child.before
        self.child.close()
        assert self.child.exitstatus is not None, self.shown
        return int(self.child.exitstatus)


def talk(installation: Installation, *arguments: str | Path, config: Path | None = None) -> Talk:
    """Start ocsnap in a terminal of its own."""
    command = installation.command(*arguments)
    if config is not None:
        command[command.index("-c") + 1] = str(config)
    environment = {**installation.environment, "TERM": "xterm-256color"}
    child = pexpect.spawn(
        command[0],
        command[1:],
        cwd=str(REPOSITORY),
        env=environment,
        encoding="utf-8",
        timeout=PATIENCE_SECONDS,
        dimensions=(60, 120),
    )
    return Talk(child)

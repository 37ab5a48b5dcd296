"""How a run ended, in the words of everybody who is told of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from ocsnap.errors import ExitStatus


class Operation(StrEnum):
    """What was run; the keys of [ping], and part of the names of hooks."""

    BACKUP = "backup"
    VERIFY = "verify"
    PRUNE = "prune"
    RESTORE = "restore"
    DRILL = "drill"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended.

    Attributes:
        operation: what was run.
        host: the machine.
        started: seconds since the epoch.
        finished: seconds since the epoch.
        status: what ocsnap exits with.
        text: what a person should read.
        report: the figures, as `--json` prints them; None after a failure.
        failed_hooks: what is wrong with hooks that were run.
    """

    operation: Operation
    host: str
    started: float
    finished: float
    status: ExitStatus
    text: str
    report: dict[str, Any] | None = None
    failed_hooks: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The name of the exit status, as docs/exit-statuses.md has it."""
        return self.status.name.lower()

    @property
    def is_void(self) -> bool:
        """Whether nothing was done because another ocsnap is at work, or a person said no.

        That is no news to anybody: the other one tells how it ends, and the person knows.
        """
        return self.status in (ExitStatus.BUSY, ExitStatus.REFUSED)

    @property
    def title(self) -> str:
        """One line for the subject of a message."""
        said = {
            ExitStatus.OK: "is done",
            # A run without a report raised nothing: it met an alarm that was there.
            ExitStatus.ALARM: "raised an ALARM" if self.report else "was stopped by an open ALARM",
        }
        what = said.get(self.status, f"FAILED ({self.kind})")
        if self.status in (ExitStatus.INCOMPLETE, ExitStatus.HOOK_FAILED):
            what = f"is done, but not all is well ({self.kind})"
        return f"ocsnap on {self.host}: {self.operation} {what}"

    def document(self) -> dict[str, Any]:
        """Return all of it for programs: numbers, texts, lists and objects of them."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        return told | {"status": int(self.status), "kind": self.kind}

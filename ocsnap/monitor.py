"""How library code tells of its progress: it never prints, it calls a `Monitor`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Problem:
    """Something that went wrong with one thing while the run goes on.

    Attributes:
        subject: what is concerned, as a person would name it (a path, a table, an object).
        reason: one plain sentence.
    """

    subject: str
    reason: str


class Monitor(Protocol):
    """Receives progress; all methods may be called from any thread and must be quick."""

    def step(self, name: str, *, total_bytes: int | None = None) -> None:
        """A new step begins, of `total_bytes` bytes of work where that is known."""
        ...

    def advance(self, *, files: int = 0, size_bytes: int = 0) -> None:
        """So many more files and bytes of the present step are done."""
        ...

    def at(self, place: str) -> None:
        """The present step has come to this: a user's home, a table."""
        ...

    def note(self, text: str) -> None:
        """Something worth a line in the log."""
        ...

    def problem(self, problem: Problem) -> None:
        """One thing failed; the run goes on and its exit status will say so."""
        ...


@dataclass
class SilentMonitor:
    """Shows nothing and keeps the problems: for tests and for `--quiet`.

    Attributes:
        problems: every problem reported so far.
        notes: every note so far.
        steps: the names of the steps, in order.
    """

    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def step(self, name: str, *, total_bytes: int | None = None) -> None:
        """Keep the name of the step."""
        del total_bytes
        self.steps.append(name)

    def advance(self, *, files: int = 0, size_bytes: int = 0) -> None:
        """Do nothing."""

    def at(self, place: str) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Keep the note."""
        self.notes.append(text)

    def problem(self, problem: Problem) -> None:
        """Keep the problem."""
        self.problems.append(problem)

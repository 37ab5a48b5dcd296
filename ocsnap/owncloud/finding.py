"""What is special about an ownCloud, in words for its admin."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """How much it matters to a backup."""

    NOTE = "note"
    """Handled; good to know."""

    WARNING = "warning"
    """Something is not in the backup, or a restore needs more than the backup."""

    REFUSAL = "refusal"
    """A backup would not be worth its name."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was found.

    Attributes:
        severity: how much it matters.
        topic: what it is about, a word for programs.
        text: a sentence or two.
        hint: what to do about it; empty where nothing need be done.
    """

    severity: Severity
    topic: str
    text: str
    hint: str = ""

    def __str__(self) -> str:
        """Return the sentence, followed by the hint when there is one."""
        return f"{self.text} {self.hint}" if self.hint else self.text

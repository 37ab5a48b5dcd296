"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.doctor.patient import Patient


class Light(StrEnum):
    """How well it is."""

    GREEN = "green"
    YELLOW = "yellow"  # works, but could be better
    RED = "red"  # a backup or a restore will fail, or fails already
    GREY = "grey"  # not looked at, since something before it is red


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the doctor's report.

    Attributes:
        check: name of the check.
        light: how well it is.
        text: what was found, one sentence.
        advice: what to do about it; empty where there is nothing to do.
    """

    check: str
    light: Light
    text: str
    advice: str = ""


class Look(Protocol):
    """Looks at one thing."""

    def __call__(self, patient: Patient) -> Iterator[Said]:
        """Yield what is found.

        Raises:
            OcsnapError: it does not work at all: its sentence becomes red, its hint the advice.
        """
        ...


@dataclass(frozen=True)
class Said:
    """A finding before it has the name of its check.

    Attributes:
        light: how well it is.
        text: what was found.
        advice: what to do about it.
    """

    light: Light
    text: str
    advice: str = ""


@dataclass(frozen=True)
class Check:
    """One thing to look at.

    Attributes:
        name: what reports call it.
        look: looks at it.
        needs: checks that must not be red before it.
    """

    name: str
    look: Look
    needs: tuple[str, ...] = ()


def green(text: str) -> Said:
    """Say that something is well."""
    return Said(Light.GREEN, text)


def yellow(text: str, advice: str) -> Said:
    """Say that something could be better."""
    return Said(Light.YELLOW, text, advice)


def red(text: str, advice: str) -> Said:
    """Say that something does not work."""
    return Said(Light.RED, text, advice)

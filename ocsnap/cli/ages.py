"""Ages on the command line, such as 20h or 1d12h."""

from __future__ import annotations

from typing import Annotated

import typer

from ocsnap.errors import ConfigError


def age(text: str) -> float:
    """Return the seconds that an age such as 20h stands for.

    Raises:
        BadParameter: it is none.
    """
    from ocsnap.repository.retention import parse_duration  # noqa: PLC0415 - see session

    try:
        return parse_duration(text)
    except ConfigError:
        raise typer.BadParameter(f"{text!r} is no age: write 20h, or 1d12h.") from None


IfOlderThan = Annotated[
    float | None,
    typer.Option(
        "--if-older-than",
        help="Only if the last one here began longer ago than this: 20h, 8d.",
        parser=age,
        metavar="AGE",
    ),
]
"""The option of checks and drills that cron makes up for."""

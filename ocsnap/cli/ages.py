"""Ages on the command line, such as 20h or 1d12h."""

from __future__ import annotations

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

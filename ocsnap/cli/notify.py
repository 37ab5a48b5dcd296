"""`ocsnap notify` on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.reporting.trial import Trial


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("notify")(notify)


def notify(context: typer.Context) -> int:
    """Send a test message to everybody who is told of failures.

    The receivers are those of [notify], the watchers those of [ping]; these get a line in their log
    that changes nothing. Exits with 18 when one cannot be told.

    Example:

        ocsnap notify
    """
    from ocsnap.commands.reporting.trial import trial  # noqa: PLC0415 - see session

    options = context.obj
    with session(options) as world:
        outcome = trial(world)
    if options.json:
        print_json(outcome)
    else:
        print_text("\n".join(_lines(outcome)))
    return int(ExitStatus.UNSOUND if outcome.failures else ExitStatus.OK)


def _lines(outcome: Trial) -> Iterator[str]:
    for failure in outcome.failures:
        yield f"WRONG {failure}"
    count = outcome.receivers + len(outcome.watchers)
    yield f"{count} receivers and watchers were to be told; {len(outcome.failures)} could not be."

"""`ocsnap doctor` on the command line."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from ocsnap.cli.ages import age
from ocsnap.cli.hint import runnable
from ocsnap.cli.options import Verbosity
from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.session import session
from ocsnap.cli.text import printable
from ocsnap.config import locate
from ocsnap.errors import ConfigError, ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.cli.options import GlobalOptions
    from ocsnap.commands.doctor.finding import Finding

_USUAL_AGE_SECONDS: Final = 48 * 3600.0

_STYLES: Final = {
    "green": ("✓", "green"),
    "yellow": ("!", "yellow"),
    "red": ("✗", "bold red"),
    "grey": ("-", "dim"),
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(
    context: typer.Context,
    max_age: Annotated[
        float | None,
        typer.Option(
            "--max-age",
            help="How old the last snapshot may be, such as 26h; else 48h.",
            parser=age,
            metavar="AGE",
        ),
    ] = None,
    root: Annotated[
        Path,
        typer.Option(
            "--root", metavar="FOLDER", help="Where the files of this machine are.", hidden=True
        ),
    ] = Path("/"),
) -> int:
    """Check all that backups and restores need.

    It looks at one thing after the other and says what to do. Green is well, yellow could be
    better, red fails now or will; what depends on something red is not looked at. Exits with 18 if
    anything is red. With --quiet only what is red is told. A small object is put into the storage
    and taken away again.

    Examples:

        ocsnap doctor

        ocsnap --json doctor --max-age 26h
    """
    options = context.obj
    findings = []
    longest = _USUAL_AGE_SECONDS if max_age is None else max_age
    for found in _findings(options, longest, root):
        finding = msgspec.structs.replace(found, advice=runnable(found.advice, options.config))
        findings.append(finding)
        if not options.json and (
            options.verbosity is not Verbosity.QUIET or finding.light == "red"
        ):
            _show(finding)
    healthy = all(finding.light != "red" for finding in findings)
    if options.json:
        print_json({"healthy": healthy, "findings": findings})
    elif options.verbosity is not Verbosity.QUIET:
        print_text(_summary(findings))
    return int(ExitStatus.OK if healthy else ExitStatus.UNSOUND)


def _findings(options: GlobalOptions, max_age: float, root: Path) -> Iterator[Finding]:
    from ocsnap.commands.doctor.doctor import examine  # noqa: PLC0415 - see session
    from ocsnap.commands.doctor.finding import Finding, Light  # noqa: PLC0415 - see session
    from ocsnap.commands.doctor.patient import Patient  # noqa: PLC0415 - see session

    path = locate(options.config, os.environ).absolute()
    # What is found is shown as it comes: no bar may be drawn over it.
    quiet = replace(options, verbosity=Verbosity.QUIET)
    try:
        with (
            session(quiet) as world,
            Patient(world, path, max_age_seconds=max_age, machine=root) as patient,
        ):
            yield Finding(check="configuration", light=Light.GREEN, text=f"{path} is sound.")
            yield from examine(patient)
    except ConfigError as error:
        # A broken file is all that there is to say.
        yield Finding(check="configuration", light=Light.RED, text=error.message, advice=error.hint)


def _show(finding: Finding) -> None:
    text = f"{finding.check}: {finding.text}"
    advice = f"To do: {finding.advice}" if finding.advice else ""
    if not sys.stdout.isatty():
        print_text(f"{finding.light.upper():<7}{text}")
        if advice:
            print_text(f"{'':7}{advice}")
        return
    from rich.console import Console  # noqa: PLC0415 - rich only for a terminal
    from rich.text import Text  # noqa: PLC0415 - the same

    sign, style = _STYLES[finding.light]
    console = Console(highlight=False)
    console.print(Text(f"{sign} {printable(text)}", style=style), soft_wrap=True)
    if advice:
        console.print(Text(f"  {printable(advice)}", style="bold"), soft_wrap=True)


def _summary(findings: list[Finding]) -> str:
    counts = {name: sum(item.light == name for item in findings) for name in _STYLES}
    if not counts["red"]:
        warned = f", {counts['yellow']} could be better" if counts["yellow"] else ""
        return f"All that is needed works{warned}."
    return f"{counts['red']} red, {counts['yellow']} yellow, {counts['green']} green."

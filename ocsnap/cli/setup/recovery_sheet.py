"""`ocsnap recovery-sheet` on the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ocsnap.cli.options import Verbosity
from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.question import tell
from ocsnap.cli.session import session
from ocsnap.cli.setup.sheet_text import ask_to_confirm, code_lines, sheet_lines
from ocsnap.errors import ExitStatus, RefusedError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("recovery-sheet")(recovery_sheet)


def recovery_sheet(
    context: typer.Context,
    pdf: Annotated[
        Path | None,
        typer.Option(
            "--pdf", metavar="FILE", help="Write it there, to be printed; nothing is shown."
        ),
    ] = None,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Only say that it is on paper, and prove it.")
    ] = False,
) -> int:
    """Show what must be on paper when this machine is lost.

    That is where the backups are, and their key. Keep it away from the machine. With --confirm the
    end of the passphrase is asked for, or with public keys a message is to be decrypted with the
    secret one; then `ocsnap doctor` is content.

    Examples:

        ocsnap recovery-sheet --pdf /root/sheet.pdf

        ocsnap recovery-sheet | lpr

        ocsnap recovery-sheet --confirm
    """
    from ocsnap.commands.recovery.confirmation import confirmed_at  # noqa: PLC0415 - see session
    from ocsnap.commands.recovery.pdf import write_pdf  # noqa: PLC0415 - see session
    from ocsnap.commands.recovery.sheet import make_sheet  # noqa: PLC0415 - see session

    options = context.obj
    # Nothing may be drawn over the question.
    with session(replace(options, verbosity=Verbosity.QUIET)) as world:
        if confirm:
            return _confirm(json=options.json, confirmed=ask_to_confirm(world))
        sheet = make_sheet(world)
        confirmed = confirmed_at(world) is not None
    if pdf is not None:
        write_pdf(sheet, pdf.absolute())
    if options.json:
        print_json({"pdf": None if pdf is None else str(pdf), "confirmed": confirmed})
    elif pdf is not None:
        print_text(f"Print {pdf}, then delete it.")
    else:
        print_text("\n".join([*sheet_lines(sheet), *code_lines(sheet)]))
    if not confirmed and not options.json:
        tell("Nobody has confirmed yet that it is on paper: ocsnap recovery-sheet --confirm")
    return int(ExitStatus.OK)


def _confirm(*, json: bool, confirmed: bool) -> int:
    if not confirmed:
        raise RefusedError(
            "The recovery sheet was not confirmed.", hint="See: ocsnap recovery-sheet."
        )
    print_json({"confirmed": True}) if json else print_text("Confirmed.")
    return int(ExitStatus.OK)

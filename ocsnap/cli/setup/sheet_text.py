"""A recovery sheet on the screen, and the question whether it is on paper."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ocsnap.cli.question import answer, tell
from ocsnap.cli.text import printable
from ocsnap.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.context import Context
    from ocsnap.commands.recovery.sheet import Sheet

_TRIES: Final = 3
_COLOURS: Final = ("\x1b[40;97m", "\x1b[0m")
"""White on black (ECMA-48, 8.3.117): cameras need the dark modules dark on light screens too."""


def show_sheet(sheet: Sheet) -> None:
    """Show a sheet on standard error, where questions are asked too.

    Args:
        sheet: the sheet.
    """
    tell("\n".join(sheet_lines(sheet)))
    begin, end = _COLOURS if sys.stderr.isatty() else ("", "")
    for title, rows in _codes(sheet):
        tell(f"\n{title}")
        sys.stderr.write("".join(f"{begin}{row}{end}\n" for row in rows))


def sheet_lines(sheet: Sheet) -> Iterator[str]:
    """Yield a sheet as text, without its codes.

    Args:
        sheet: the sheet.
    """
    moment = datetime.fromtimestamp(sheet.made, UTC)
    head = f"ocsnap recovery sheet: backups of {sheet.host}, {moment:%Y-%m-%d %H:%M} UTC"
    yield from ("", head, "=" * len(head))
    for section in sheet.sections:
        yield from ("", section.title, *(f"    {printable(line)}" for line in section.lines))


def code_lines(sheet: Sheet) -> Iterator[str]:
    """Yield the QR codes of a sheet as text.

    Args:
        sheet: the sheet.
    """
    for title, rows in _codes(sheet):
        yield from ("", title, *rows)


def ask_to_confirm(world: Context) -> bool:
    """Ask for what only somebody with the sheet, or the secret key, knows; write down that he does.

    Args:
        world: the outside world.

    Returns:
        Whether it was confirmed.
    """
    from ocsnap.commands.recovery.confirmation import (  # noqa: PLC0415 - see session
        ASKED_CHARACTERS,
        Challenge,
        confirm,
    )

    challenge = Challenge(world)
    tell()
    if challenge.message is None:
        tell("Without this sheet the backups are worthless when this machine is lost.")
        question = (
            f"From the paper, the last {ASKED_CHARACTERS} characters of the passphrase "
            "(hyphens do not count)"
        )
    else:
        tell("Decrypt this where the secret key is, with gpg --decrypt:")
        tell(challenge.message)
        question = "What it says"
    try:
        for _ in range(_TRIES):
            if challenge.accepts(answer(question)):
                confirm(world)
                return True
            tell("That is not it.")
    except RefusedError:
        pass  # no answer is no confirmation
    return False


def _codes(sheet: Sheet) -> Iterator[tuple[str, list[str]]]:
    import segno  # noqa: PLC0415 - only these commands need it

    for code in sheet.codes:
        out = io.StringIO()
        segno.make_qr(code.content, error="l").terminal(out, compact=True)
        yield f"Scan: {code.title}", out.getvalue().splitlines()

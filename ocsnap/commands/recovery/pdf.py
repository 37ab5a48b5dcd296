"""A recovery sheet as a page to print."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from ocsnap.errors import LocalIOError

if TYPE_CHECKING:
    from pathlib import Path

    from ocsnap.commands.recovery.sheet import Code, Section, Sheet

_WIDTH_MM: Final = 210.0
_MARGIN_MM: Final = 16.0
_CODE_MM: Final = 58.0
"""Edge of a QR code: of 65 modules each is then nearly a millimetre wide, enough for any camera."""

_QUIET_MODULES: Final = 4
"""Empty space around a QR code, in modules (ISO/IEC 18004, 6.3.8)."""


def write_pdf(sheet: Sheet, path: Path) -> None:
    """Write the sheet where only its owner can read it.

    Args:
        sheet: the sheet.
        path: a file; what is there is replaced.

    Raises:
        LocalIOError: it cannot be written.
    """
    data = pdf(sheet)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(part, flags, 0o600), "wb") as file:
            file.write(data)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise LocalIOError(f"{path}: cannot be written: {error.strerror}.") from error


def pdf(sheet: Sheet) -> bytes:
    """Return the sheet as a PDF of one page of A4, or two where its codes are large.

    Args:
        sheet: the sheet.
    """
    from fpdf import FPDF  # noqa: PLC0415 - only this command needs it

    page: Any = FPDF(format="A4", unit="mm")
    page.set_title("ocsnap recovery sheet")
    page.set_creation_date(datetime.fromtimestamp(sheet.made, UTC))
    page.set_margins(_MARGIN_MM, _MARGIN_MM)
    page.set_auto_page_break(auto=True, margin=_MARGIN_MM)
    page.add_page()
    _head(page, sheet)
    for section in sheet.sections:
        _section(page, section)
    _codes(page, sheet)
    return bytes(page.output())


def _head(page: Any, sheet: Sheet) -> None:  # noqa: ANN401 - fpdf2 has no types
    moment = datetime.fromtimestamp(sheet.made, UTC)
    page.set_font("Helvetica", "B", 20)
    page.cell(0, 10, "ocsnap recovery sheet", new_x="LMARGIN", new_y="NEXT")
    page.set_font("Helvetica", "", 10)
    text = f"Backups of {sheet.host}. Made {moment:%Y-%m-%d %H:%M} UTC."
    page.cell(0, 5, _latin(text), new_x="LMARGIN", new_y="NEXT")
    page.set_font("Helvetica", "B", 10)
    warning = (
        "Keep this paper away from the machine, and locked up: with it and the bucket anybody can "
        "read everything, and without it nobody can read anything."
    )
    page.multi_cell(0, 5, warning, align="L", new_x="LMARGIN", new_y="NEXT")


def _section(page: Any, section: Section) -> None:  # noqa: ANN401 - fpdf2 has no types
    page.ln(3)
    page.set_font("Helvetica", "B", 12)
    page.cell(0, 7, _latin(section.title), new_x="LMARGIN", new_y="NEXT")
    for line in section.lines:
        page.set_font("Courier" if section.exact else "Helvetica", "", 10)
        text = _latin(line)
        page.multi_cell(0, 5, text, align="L", new_x="LMARGIN", new_y="NEXT", wrapmode="CHAR")


def _codes(page: Any, sheet: Sheet) -> None:  # noqa: ANN401 - fpdf2 has no types
    if page.get_y() + _CODE_MM + 12 > page.h - _MARGIN_MM:
        page.add_page()
    page.ln(4)
    top = page.get_y()
    for number, code in enumerate(sheet.codes):
        left = _MARGIN_MM + number * (_CODE_MM + 20)
        page.set_xy(left, top)
        page.set_font("Helvetica", "B", 11)
        page.cell(_CODE_MM, 6, _latin(f"Scan: {code.title}"))
        _draw(page, code, left, top + 7)


def _draw(page: Any, code: Code, left: float, top: float) -> None:  # noqa: ANN401 - as above
    import segno  # noqa: PLC0415 - only this command needs it

    rows = [list(row) for row in segno.make_qr(code.content, error="m").matrix]
    module = _CODE_MM / (len(rows) + 2 * _QUIET_MODULES)
    page.set_fill_color(0, 0, 0)
    for y, row in enumerate(rows, _QUIET_MODULES):
        for begin, end in _dark(row):
            x = left + (begin + _QUIET_MODULES) * module
            page.rect(x, top + y * module, (end - begin) * module, module, style="F")


def _dark(row: list[int]) -> list[tuple[int, int]]:
    """Return where dark modules begin and end: one rectangle for each run has no seams."""
    edges = [i for i in range(len(row) + 1) if (i and row[i - 1]) != (i < len(row) and row[i])]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _latin(text: str) -> str:
    """Return a text in the characters that every PDF reader has a font for."""
    return text.encode("latin-1", "backslashreplace").decode("latin-1")

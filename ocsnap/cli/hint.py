"""Hints that name a command, as it is to be typed here."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final

from ocsnap.cli.command_modules import MODULES

if TYPE_CHECKING:
    from pathlib import Path

_CALL: Final = re.compile(rf"\bocsnap (?=(?:{'|'.join(MODULES)})\b)")


def runnable(hint: str, config: Path | None) -> str:
    """Return a hint whose calls of ocsnap name the configuration that this run was told to read.

    Args:
        hint: what to do, such as "Run: ocsnap verify."
        config: the file given with `-c`; None: none was, so none is needed.
    """
    from ocsnap.config import DEFAULT_PATH  # noqa: PLC0415 - see session

    if config is None or config == DEFAULT_PATH:
        return hint
    option = f"-c {shlex.quote(str(config.absolute()))}"
    return _CALL.sub(lambda call: f"{call[0]}{option} ", hint)

"""What was said before the command's name, frozen once."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from ocsnap.cli.bare import Bare

if TYPE_CHECKING:
    from pathlib import Path


class Verbosity(IntEnum):
    """How much is said while a command works."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


@dataclass(frozen=True)
class GlobalOptions:
    """Options that every command shares.

    Attributes:
        config: the file given with `-c`.
        json: print one JSON document instead of text.
        verbosity: how much is said while working.
        bare: what was said in place of a configuration file.
    """

    config: Path | None
    json: bool
    verbosity: Verbosity
    bare: Bare = field(default_factory=Bare)

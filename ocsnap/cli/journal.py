"""Lines for systemd's journal: a priority in front of each, no time, which the journal has."""

from __future__ import annotations

import os
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO


class Priority(IntEnum):
    """Levels of syslog(3) that occur here, for prefixes as sd-daemon(3) has them."""

    ERROR = 3
    NOTICE = 5
    INFO = 6


def is_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Tell whether a stream goes to the journal itself, and not to a pipe or a file.

    Args:
        stream: an open stream.
        environment: `JOURNAL_STREAM` has the device and the inode of the journal's own socket
            (systemd.exec(5)); children whose output was redirected inherit it too.
    """
    told = environment.get("JOURNAL_STREAM", "")
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return told == f"{status.st_dev}:{status.st_ino}"

"""How this very program is called, for those who call it later: systemd, cron, a new process."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def program() -> tuple[str, ...]:
    """Return the words that start ocsnap, the first of them an absolute path."""
    called = Path(sys.argv[0])
    if called.name == "ocsnap" and called.is_file() and os.access(called, os.X_OK):
        return (str(called.absolute()),)
    # No folder of the moment is looked into for modules (-P).
    return (sys.executable, "-P", "-m", "ocsnap")

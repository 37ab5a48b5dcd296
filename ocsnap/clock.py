"""Time comes in as an argument: the system's clock here, a fake one in tests."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What library code may know of time."""

    def now(self) -> float:
        """Return the wall-clock time, in seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Return a time, in seconds, that only ever grows; for measuring durations."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Return the wall-clock time, in seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return a time, in seconds, that only ever grows."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        time.sleep(seconds)

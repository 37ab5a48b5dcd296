"""A limit on how fast bytes go over the line, for all threads together."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ocsnap.clock import Clock


class Pace:
    """Lets bytes pass no faster than so many a second; may be used from several threads.

    There are no bursts: what was not used in one second is not saved for the next, since whoever
    limits a backup wants the line to stay usable at every moment.
    """

    def __init__(self, bytes_per_second: float, clock: Clock) -> None:
        """Begin with a free line.

        Args:
            bytes_per_second: the limit.
            clock: measures and waits.
        """
        self._bytes_per_second = bytes_per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at = 0.0

    def take(self, count_bytes: int) -> None:
        """Wait until so many bytes may pass.

        Args:
            count_bytes: a small part of an object, or the line would rest and then be flooded.
        """
        with self._lock:
            now = self._clock.monotonic()
            begin = max(now, self._free_at)
            self._free_at = begin + count_bytes / self._bytes_per_second
        if begin > now:
            self._clock.sleep(begin - now)

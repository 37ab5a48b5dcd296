"""Holds back Ctrl-C and the like for as long as something must not be interrupted."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_DEFERRED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def deferred_signals() -> Iterator[None]:
    """Let a block run to its end; signals that came meanwhile act afterwards.

    An error of the block goes first, and then the signals are dropped: the error ends the run
    too, and says more. Outside the main thread nothing is done, since Python delivers signals
    to the main thread alone.

    Yields:
        Nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def keep(number: int, frame: FrameType | None) -> None:
        del frame
        came.append(number)

    handlers = {
        number: handler
        for number in _DEFERRED
        # Ignored ones (nohup) stay ignored; None means that it was not Python that set it.
        if (handler := signal.getsignal(number)) not in {signal.SIG_IGN, None}
    }
    for number in handlers:
        signal.signal(number, keep)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for arrived in came:
        signal.raise_signal(arrived)

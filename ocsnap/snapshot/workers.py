"""A few threads that work off batches, in bounded memory, and stop at the first failure."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Job = TypeVar("Job")

WAITING_BATCHES: Final = 8

FETCHERS: Final = 3
"""Threads that fetch packs: while one waits for the store and one for gpg, one goes on."""


class Workers(Generic[Job]):
    """Threads that call one function for each job."""

    def __init__(self, work: Callable[[Job], None], *, threads: int, name: str) -> None:
        """Start the threads.

        Args:
            work: called for each job, in any thread.
            threads: how many.
            name: for the names of the threads.
        """
        self._work = work
        self._queue: queue.Queue[list[Job] | None] = queue.Queue(WAITING_BATCHES)
        self._failure: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, batch: list[Job]) -> None:
        """Hand over a batch; waits while too many are waiting.

        Raises:
            BaseException: what a worker failed with.
        """
        self.check()
        self._queue.put(batch)

    def check(self) -> None:
        """Raise what a worker failed with, if one did."""
        if self._failure is not None:
            raise self._failure

    def wait(self) -> None:
        """Wait until everything that was submitted is done.

        Raises:
            BaseException: what a worker failed with.
        """
        self._queue.join()
        self.check()

    def close(self) -> None:
        """End the threads; jobs that nobody began are given up only after a failure."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def stop(self, reason: BaseException) -> None:
        """Give up all jobs that nobody has begun."""
        self._failure = self._failure or reason

    def _run(self) -> None:
        while True:
            batch = self._queue.get()
            try:
                if batch is None:
                    return
                for job in batch:
                    if self._failure is not None:
                        break
                    self._work(job)
            except BaseException as error:  # noqa: BLE001 - handed over to the thread that waits
                self._failure = self._failure or error
            finally:
                self._queue.task_done()

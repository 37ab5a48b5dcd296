"""Several sessions at work at once on a list of tasks, whose results are taken in the list's order.

A session that is ahead of the taker waits when too much is kept for later. The task whose results
are taken is never held up by that, so there is always one that goes on.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ocsnap.database.mysql.session import Session

Result = TypeVar("Result")
Task: TypeAlias = "Callable[[Session], Iterable[Result]]"

KEPT_BYTES = 3 * 1024 * 1024
"""How much is kept for later, for each session."""


@dataclass
class _Kept(Generic[Result]):
    results: deque[Result] = field(default_factory=deque)
    done: bool = False


class ReadAhead(Generic[Result]):
    """Runs tasks on several sessions."""

    def __init__(
        self,
        sessions: Sequence[Session],
        tasks: Sequence[Task[Result]],
        *,
        size: Callable[[Result], int],
    ) -> None:
        """Begin.

        Args:
            sessions: the sessions, used by nobody else until `close`.
            tasks: what to do; each is run once, on one of the sessions.
            size: tells how many bytes a result takes.
        """
        self._sessions = sessions
        self._tasks = tasks
        self._size = size
        self._kept: list[_Kept[Result]] = [_Kept() for _ in tasks]
        self._limit = KEPT_BYTES * len(sessions)
        self._kept_bytes = 0
        self._begun = 0
        self._taken = 0
        self._failure: BaseException | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._run, args=(each,), name=f"read-{n}", daemon=True)
            for n, each in enumerate(sessions)
        ]
        for thread in self._threads:
            thread.start()

    def results(self, number: int) -> Iterator[Result]:
        """Return the results of a task; to be asked for one task after the other, from 0 on.

        Raises:
            BaseException: what one of the tasks failed with, whichever it was.
        """
        kept = self._kept[number]
        with self._changed:
            self._taken = number
            self._changed.notify_all()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: kept.results or kept.done or self._failure)
                if self._failure is not None:
                    raise self._failure
                if not kept.results:
                    return
                result = kept.results.popleft()
                self._kept_bytes -= self._size(result)
                self._changed.notify_all()
            yield result

    def close(self) -> None:
        """End all tasks; the connections of those that are not done are cut."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if any(not kept.done for kept in self._kept):
            for session in self._sessions:
                session.abort()
        for thread in self._threads:
            thread.join()

    def _run(self, session: Session) -> None:
        try:
            while (number := self._begin()) is not None:
                for result in self._tasks[number](session):
                    if not self._keep(number, result):
                        return
                with self._changed:
                    self._kept[number].done = True
                    self._changed.notify_all()
        except BaseException as error:  # noqa: BLE001 - handed over to the thread that takes
            with self._changed:
                self._failure = self._failure or error
                self._changed.notify_all()

    def _begin(self) -> int | None:
        with self._changed:
            number = self._begun
            if self._closed or self._failure is not None or number == len(self._tasks):
                return None
            self._begun += 1
            return number

    def _keep(self, number: int, result: Result) -> bool:
        size_bytes = self._size(result)
        with self._changed:
            # One result at least may always be kept for the taker.
            self._changed.wait_for(
                lambda: (
                    self._closed
                    or self._failure is not None
                    or self._kept_bytes + size_bytes <= self._limit
                    or (number == self._taken and not self._kept[number].results)
                )
            )
            if self._closed or self._failure is not None:
                return False
            self._kept[number].results.append(result)
            self._kept_bytes += size_bytes
            self._changed.notify_all()
        return True

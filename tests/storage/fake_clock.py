"""A clock that waits for nothing and remembers what it was asked to wait for."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class FakeClock:
    time: float = 1_000_000_000.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

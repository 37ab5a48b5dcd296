"""Retention: which snapshots stay, and why. Nothing in here asks a clock or a storage.

The rules count as those of borg and restic do: the newest snapshot of each hour, day, week, month
or year stands for it, and so many of these periods are kept. A snapshot that no rule keeps goes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from ocsnap.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from ocsnap.repository.snapshot import StoredSnapshot

PINNED: Final = "pinned"
DAMAGED: Final = "damaged, so it counts for no rule"
FUTURE: Final = "its time lies in the future"
LAST_COMPLETE: Final = "the last one without errors"
NO_RULE: Final = "no rule is set"

_DAY_SECONDS: Final = 86_400.0
_FUTURE_SECONDS: Final = _DAY_SECONDS
"""No clock goes so wrong by itself; one that did must not push all others out."""

_UNIT_SECONDS: Final = {
    "h": 3600.0,
    "d": _DAY_SECONDS,
    "w": 7 * _DAY_SECONDS,
    "m": 31 * _DAY_SECONDS,
    "y": 366 * _DAY_SECONDS,
}
"""Months and years at their longest: what was promised to stay for a month stays in July too."""

_DURATION: Final = re.compile(r"(\d+[hdwmy])+")


class Period(NamedTuple):
    """A kind of period of which some are kept.

    Attributes:
        name: what reasons call it.
        key: the same text for all moments of one period.
    """

    name: str
    key: Callable[[datetime], str]


# The offset tells the two hours apart that the end of summer time gives the same name.
_PERIODS: Final = {
    "hourly": Period("hour", lambda moment: f"{moment:%Y-%m-%d %H}:00{moment:%z}"),
    "daily": Period("day", lambda moment: f"{moment:%Y-%m-%d}"),
    "weekly": Period("week", lambda moment: f"{moment:%G-W%V}"),
    "monthly": Period("month", lambda moment: f"{moment:%Y-%m}"),
    "yearly": Period("year", lambda moment: f"{moment:%Y}"),
}


@dataclass(frozen=True)
class KeepRules:
    """What to keep; a snapshot stays if any one rule says so.

    Attributes:
        last: the newest ones, whatever their times.
        hourly: hours of which the newest one stays.
        daily: days of which the newest one stays.
        weekly: weeks (ISO 8601, from Monday on) of which the newest one stays.
        monthly: months of which the newest one stays.
        yearly: years of which the newest one stays.
        within_seconds: all that are no older than this before the newest one.
        everything: all of them.
    """

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within_seconds: float | None = None
    everything: bool = False

    @property
    def keep_nothing(self) -> bool:
        """Whether no rule is set at all."""
        return self == KeepRules()


class Verdict(NamedTuple):
    """What becomes of one snapshot.

    Attributes:
        stored: the snapshot.
        reasons: why it stays; empty: it goes.
    """

    stored: StoredSnapshot
    reasons: tuple[str, ...]

    @property
    def stays(self) -> bool:
        """Whether anything keeps it."""
        return bool(self.reasons)


@dataclass(frozen=True)
class Retention:
    """A policy, applied at one moment.

    Attributes:
        rules: what to keep.
        now: seconds since the epoch, to tell times that cannot be.
        calendar: turns seconds since the epoch into the date and time that people here read.
        pinned: ids of snapshots that stay whatever the rules say.
        damaged: ids of snapshots that count for no rule.
        remove_damaged: let these go; else they stay, as long as they have anything that is whole.
    """

    rules: KeepRules
    now: float
    calendar: Callable[[float], datetime]
    pinned: AbstractSet[str] = frozenset()
    damaged: AbstractSet[str] = frozenset()
    remove_damaged: bool = False

    def judge(self, snapshots: Iterable[StoredSnapshot]) -> list[Verdict]:
        """Decide on each snapshot.

        Each ownCloud of each host is judged by itself, as if there were no other. Of each, the
        newest snapshot without errors that is whole stays, whatever the rules say.

        Args:
            snapshots: all of them, in any order.

        Returns:
            A verdict for each, the oldest first.
        """
        groups: dict[tuple[str, str], list[StoredSnapshot]] = {}
        for stored in snapshots:
            key = (stored.snapshot.host, stored.snapshot.owncloud.root)
            groups.setdefault(key, []).append(stored)
        verdicts = [verdict for group in groups.values() for verdict in self._judge_group(group)]
        return sorted(verdicts, key=lambda verdict: _age_key(verdict.stored))

    def _judge_group(self, group: list[StoredSnapshot]) -> Iterator[Verdict]:
        group = sorted(group, key=_age_key, reverse=True)
        reasons: dict[str, list[str]] = {stored.id: [] for stored in group}
        for stored in group:
            reasons[stored.id] += self._own_reasons(stored)
        counted = [stored for stored in group if self._counts(stored)]
        for stored, reason in self._by_rules(counted):
            reasons[stored.id].append(reason)
        complete = [stored for stored in counted if not stored.snapshot.errors]
        if complete and not any(reasons[stored.id] for stored in complete):
            reasons[complete[0].id].append(LAST_COMPLETE)
        if counted and not any(reasons[stored.id] for stored in counted):
            raise AssertionError("rules that keep none at all")
        for stored in group:
            yield Verdict(stored, tuple(reasons[stored.id]))

    def _own_reasons(self, stored: StoredSnapshot) -> Iterator[str]:
        if stored.id in self.pinned:
            yield PINNED
        if stored.id in self.damaged:
            if not self.remove_damaged:
                yield DAMAGED
        elif self._lies_ahead(stored):
            yield FUTURE

    def _counts(self, stored: StoredSnapshot) -> bool:
        return stored.id not in self.damaged and not self._lies_ahead(stored)

    def _lies_ahead(self, stored: StoredSnapshot) -> bool:
        return stored.snapshot.started > self.now + _FUTURE_SECONDS

    def _by_rules(
        self, newest_first: Sequence[StoredSnapshot]
    ) -> Iterator[tuple[StoredSnapshot, str]]:
        rules = self.rules
        if rules.everything:
            for stored in newest_first:
                yield stored, NO_RULE
        for number, stored in enumerate(newest_first[: rules.last], 1):
            yield stored, f"last {number} of {rules.last}"
        for rule, period in _PERIODS.items():
            yield from self._by_period(newest_first, period, getattr(rules, rule))
        if rules.within_seconds is not None and newest_first:
            begin = newest_first[0].snapshot.started - rules.within_seconds
            for stored in newest_first:
                if stored.snapshot.started >= begin:
                    yield stored, "recent enough"

    def _by_period(
        self, newest_first: Sequence[StoredSnapshot], period: Period, count: int
    ) -> Iterator[tuple[StoredSnapshot, str]]:
        seen: set[str] = set()
        for stored in newest_first:
            if len(seen) >= count:
                return
            key = period.key(self.calendar(stored.snapshot.started))
            if key not in seen:
                seen.add(key)
                yield stored, f"{period.name} {key}"


def parse_duration(text: str) -> float:
    """Read a duration such as `30d` or `1y6m`.

    Args:
        text: numbers, each with its unit: h, d, w, m (31 days) or y (366 days).

    Returns:
        Seconds.

    Raises:
        ConfigError: it is none.
    """
    if not _DURATION.fullmatch(text):
        raise ConfigError(
            f"keep_within: {text!r} is no duration.",
            hint="Write 36h, 30d, 8w, 6m, 2y, or several of them: 1y6m.",
        )
    parts = re.findall(r"(\d+)([hdwmy])", text)
    return sum(int(count) * _UNIT_SECONDS[unit] for count, unit in parts)


def _age_key(stored: StoredSnapshot) -> tuple[float, str]:
    return stored.snapshot.started, stored.name

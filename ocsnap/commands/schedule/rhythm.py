"""How often something runs, in the words of systemd and of cron."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ocsnap.errors import RefusedError

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True)
class Rhythm:
    """A time that comes again: each hour, each day or each week.

    Attributes:
        minute: minute of the hour.
        hour: hour of the day, local time; None: every hour.
        weekday: day of the week, 0 for Monday; None: every day.
    """

    minute: int
    hour: int | None = None
    weekday: int | None = None

    @classmethod
    def daily(cls, text: str) -> Rhythm:
        """Read a time of the day.

        Args:
            text: such as `02:15`.

        Raises:
            RefusedError: it is none.
        """
        found = _TIME.fullmatch(text.strip())
        if found is None:
            raise RefusedError(f"{text!r} is no time of the day.", hint="Write 02:15.")
        return cls(minute=int(found[2]), hour=int(found[1]))

    @classmethod
    def weekly(cls, text: str) -> Rhythm:
        """Read a time of the week.

        Args:
            text: such as `sun 04:30`.

        Raises:
            RefusedError: it is none.
        """
        day, _, time = text.strip().partition(" ")
        if day.lower()[:3] not in _DAYS:
            raise RefusedError(f"{text!r} is no time of the week.", hint="Write 'sun 04:30'.")
        daily = cls.daily(time)
        return cls(minute=daily.minute, hour=daily.hour, weekday=_DAYS.index(day.lower()[:3]))

    @classmethod
    def hourly(cls, minute: int = 0) -> Rhythm:
        """Return every hour at a minute."""
        return cls(minute=minute)

    @property
    def calendar(self) -> str:
        """The same as systemd writes it (systemd.time(7))."""
        day = "" if self.weekday is None else f"{_DAYS[self.weekday].title()} "
        hour = "*" if self.hour is None else f"{self.hour:02}"
        return f"{day}*-*-* {hour}:{self.minute:02}:00"

    @property
    def crontab(self) -> str:
        """The same in five fields, as cron takes it."""
        day = "*" if self.weekday is None else str((self.weekday + 1) % 7)
        hour = "*" if self.hour is None else str(self.hour)
        return f"{self.minute} {hour} * * {day}"

    @property
    def words(self) -> str:
        """The same for people."""
        if self.hour is None:
            return f"every hour at minute {self.minute}"
        when = f"at {self.hour:02}:{self.minute:02}"
        return (
            f"every day {when}"
            if self.weekday is None
            else (f"every {_DAYS[self.weekday].title()} {when}")
        )

    @property
    def missed_hours(self) -> int:
        """After so many hours without a run one has been missed: one period, and some time."""
        if self.hour is None:
            return 2
        return 26 if self.weekday is None else 7 * 24 + 2

"""How often something runs, in the words of systemd and of cron."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ocsnap.errors import RefusedError

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LAST_DAY: Final = 28
"""Every month has it."""

_TIME: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True)
class Rhythm:
    """A time that comes again: each hour, day, week or month.

    Attributes:
        minute: minute of the hour.
        hour: hour of the day, local time; None: every hour.
        weekday: day of the week, 0 for Monday; None: every day.
        monthday: day of the month, at most 28; None: every day.
    """

    minute: int
    hour: int | None = None
    weekday: int | None = None
    monthday: int | None = None

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
    def monthly(cls, text: str) -> Rhythm:
        """Read a time of the month.

        Args:
            text: such as `1 07:15`.

        Raises:
            RefusedError: it is none.
        """
        day, _, time = text.strip().partition(" ")
        if not (day.isascii() and day.isdigit() and 1 <= int(day) <= _LAST_DAY):
            raise RefusedError(
                f"{text!r} is no time of the month.", hint="Write '1 07:15'; the day is 1 to 28."
            )
        daily = cls.daily(time)
        return cls(minute=daily.minute, hour=daily.hour, monthday=int(day))

    @classmethod
    def hourly(cls, minute: int = 0) -> Rhythm:
        """Return every hour at a minute."""
        return cls(minute=minute)

    @property
    def calendar(self) -> str:
        """The same as systemd writes it (systemd.time(7))."""
        day = "" if self.weekday is None else f"{_DAYS[self.weekday].title()} "
        hour = "*" if self.hour is None else f"{self.hour:02}"
        date = "*-*-*" if self.monthday is None else f"*-*-{self.monthday:02}"
        return f"{day}{date} {hour}:{self.minute:02}:00"

    @property
    def crontab(self) -> str:
        """The same in five fields, as cron takes it."""
        day = "*" if self.weekday is None else str((self.weekday + 1) % 7)
        hour = "*" if self.hour is None else str(self.hour)
        date = "*" if self.monthday is None else str(self.monthday)
        return f"{self.minute} {hour} {date} * {day}"

    @property
    def words(self) -> str:
        """The same for people."""
        if self.hour is None:
            return f"every hour at minute {self.minute}"
        when = f"at {self.hour:02}:{self.minute:02}"
        if self.monthday is not None:
            return f"on day {self.monthday} of every month {when}"
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
        if self.monthday is not None:
            return 31 * 24 + 2
        return 26 if self.weekday is None else 7 * 24 + 2

"""How far a step is, in words: the same at a terminal, in a log and in `ocsnap status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsnap import units

if TYPE_CHECKING:
    from collections.abc import Iterator


def progress_text(
    done_bytes: float,
    total_bytes: float | None,
    bytes_per_second: float | None,
    remaining_seconds: float | None,
) -> str:
    """Return amount, rate and remaining time, as far as they are known.

    Args:
        done_bytes: bytes that are done.
        total_bytes: of so many.
        bytes_per_second: the present rate.
        remaining_seconds: how long the step goes on at this rate; seconds.

    Returns:
        For example "12.3 GB of 65.2 GB, 11.2 MB/s, 1 h 20 min left"; empty before the first
        byte of a step that nobody knows the length of.
    """
    return ", ".join(_parts(done_bytes, total_bytes, bytes_per_second, remaining_seconds))


def span(seconds: float) -> str:
    """Return a duration in the two largest units of it.

    Args:
        seconds: a duration; seconds. One below 0 counts as 0.

    Returns:
        For example "1 h 05 min", "3 min 20 s" or "7 s".
    """
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _parts(
    done_bytes: float, total_bytes: float | None, rate: float | None, left: float | None
) -> Iterator[str]:
    if total_bytes is not None:
        yield f"{units.size(round(done_bytes))} of {units.size(round(total_bytes))}"
    elif done_bytes:
        yield units.size(round(done_bytes))
    if rate is not None and rate > 0:
        yield f"{units.size(round(rate))}/s"
    if left is not None:
        yield f"{span(left)} left"

"""Numbers as people read them, in the very words that duplicity's users know."""

from __future__ import annotations

import re

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

_RATE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([KMGT]B|B|)(?:/s)?", re.IGNORECASE)
_STEPS = ((1024**4, "TB"), (1024**3, "GB"), (1024**2, "MB"), (1024, "KB"))


def size(count_bytes: int) -> str:
    """Return a size in duplicity's notation: steps of 1024, three significant figures.

    Args:
        count_bytes: a number of bytes, negative for space that was freed.

    Returns:
        For example "65.2 GB" or "218 bytes" (duplicity 3.2.1, `get_byte_summary_string`).
    """
    if count_bytes < 0:
        return "-" + size(-count_bytes)
    for step, abbreviation in _STEPS:
        if count_bytes >= step:
            value = count_bytes / step
            digits = 2 if value < 10 else 1 if value < 100 else 0
            return f"{value:.{digits}f} {abbreviation}"
    return "1 byte" if count_bytes == 1 else f"{count_bytes} bytes"


def rate(text: str) -> float:
    """Read a rate as people write it.

    Args:
        text: such as "1MB/s", "500 KB/s", "1.5MB" or "250000"; steps of 1024, as in `size`.

    Returns:
        Bytes per second.

    Raises:
        ValueError: it is none, or less than 1 KB/s.
    """
    found = _RATE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no rate")
    steps = {abbreviation: step for step, abbreviation in _STEPS}
    value = float(found[1]) * steps.get(found[2].upper(), 1)
    if value < KIB:
        raise ValueError(f"{text!r} is less than 1 KB/s")
    return value


def duration(seconds: float) -> str:
    """Return a duration in words, as in duplicity's ElapsedTime.

    Args:
        seconds: a duration; seconds.

    Returns:
        For example "1 hour 37 minutes 41.23 seconds".
    """
    if seconds < 0:
        return "-" + duration(-seconds)
    whole_minutes, rest = divmod(round(seconds, 2), 60)
    hours, minutes = divmod(int(whole_minutes), 60)
    parts = [_count(hours, "hour"), _count(minutes, "minute")]
    if rest or not (hours or minutes):
        parts.append("1 second" if rest == 1 else f"{rest:.2f} seconds")
    return " ".join(part for part in parts if part)


def _count(number: int, noun: str) -> str:
    if not number:
        return ""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

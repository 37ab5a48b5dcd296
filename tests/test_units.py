"""Numbers as duplicity 3.2.1 writes them; the first cases are from a real run of 65 GB."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocsnap.units import GIB, KIB, MIB, duration, size


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (70_019_582_190, "65.2 GB"),
        (69_980_010_689, "65.2 GB"),
        (30_244_956_738, "28.2 GB"),
        (0, "0 bytes"),
        (1, "1 byte"),
        (218, "218 bytes"),
        (1023, "1023 bytes"),
        (KIB, "1.00 KB"),
        (10 * KIB, "10.0 KB"),
        (100 * KIB, "100 KB"),
        (1023 * KIB, "1023 KB"),
        (MIB, "1.00 MB"),
        (3 * GIB // 2, "1.50 GB"),
        (1024 * GIB, "1.00 TB"),
        (5000 * 1024 * GIB, "5000 TB"),
        (-1, "-1 byte"),
        (-30_244_956_738, "-28.2 GB"),
    ],
)
def test_sizes(size_bytes: int, text: str):
    assert size(size_bytes) == text


@given(st.integers(0, 2**50))
def test_a_size_is_true_to_three_figures(size_bytes: int):
    number, unit = size(size_bytes).split(" ")
    factor = {"KB": KIB, "MB": MIB, "GB": GIB, "TB": 1024 * GIB}.get(unit, 1)
    assert abs(float(number) * factor - size_bytes) <= size_bytes * 0.005
    assert unit in {"byte", "bytes"} or len(re.sub(r"\D", "", number)) in {3, 4}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (5861.23, "1 hour 37 minutes 41.23 seconds"),
        (0, "0.00 seconds"),
        (1, "1 second"),
        (0.004, "0.00 seconds"),
        (41.234, "41.23 seconds"),
        (59.999, "1 minute"),
        (60, "1 minute"),
        (120.5, "2 minutes 0.50 seconds"),
        (3600, "1 hour"),
        (7261, "2 hours 1 minute 1 second"),
        (360_000, "100 hours"),
        (-61, "-1 minute 1 second"),
    ],
)
def test_durations(seconds: float, text: str):
    assert duration(seconds) == text


@given(st.floats(0, 1e7))
def test_a_duration_is_true_to_a_hundredth(seconds: float):
    weights = {"hour": 3600, "minute": 60, "second": 1}
    parts = re.findall(r"([\d.]+) (hour|minute|second)s?", duration(seconds))
    assert abs(sum(float(number) * weights[unit] for number, unit in parts) - seconds) < 0.0051

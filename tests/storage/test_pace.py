"""A line that is limited: at no moment faster, over all threads, and objects still come whole."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec
import pytest

from ocsnap.clock import SystemClock
from ocsnap.config import RepositoryConfig
from ocsnap.errors import ConfigError
from ocsnap.storage.factory import open_storage
from ocsnap.storage.pace import Pace
from ocsnap.units import KIB, MIB, rate
from tests.storage.fake_clock import FakeClock
from tests.storage.objects import put, room
from tests.storage.rough_line import answer_lost

if TYPE_CHECKING:
    from pathlib import Path

    from tests.storage.rough_line import RoughLine


def test_it_waits_as_long_as_the_bytes_take_and_saves_nothing_for_later():
    clock = FakeClock()
    pace = Pace(1000, clock)
    pace.take(500)
    assert clock.slept == []
    pace.take(500)
    assert clock.slept == [0.5]
    clock.sleep(60)
    pace.take(1000)
    pace.take(1)
    assert clock.slept == [0.5, 60, 1.0]


def test_threads_share_it():
    pace = Pace(100_000, SystemClock())
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        for _ in range(8):
            pool.submit(pace.take, 5_000)
    assert time.monotonic() - began >= 7 * 0.05


@pytest.mark.parametrize("limited", ["limit_upload", "limit_download"])
def test_an_object_takes_its_time_and_comes_whole(
    s3_config: RepositoryConfig, line: RoughLine, limited: str
):
    data = random.Random(1).randbytes(200_000)
    config = msgspec.structs.replace(
        s3_config, endpoint=line.endpoint, **{limited: f"{200 * KIB} B/s"}
    )
    storage = open_storage(config, clock=SystemClock(), random=random.Random(1))
    seconds = {}
    began = time.monotonic()
    put(storage, data=data)
    seconds["limit_upload"] = time.monotonic() - began
    began = time.monotonic()
    assert storage.get("packs/ab/1") == data
    seconds["limit_download"] = time.monotonic() - began
    began = time.monotonic()
    assert storage.get_into("packs/ab/1", room) == data
    seconds["limit_download"] = min(seconds["limit_download"], time.monotonic() - began)
    assert line.seen[-3].body == data
    assert seconds[limited] >= 0.8 * len(data) / (200 * KIB)
    storage.close()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1MB/s", MIB),
        ("1 MB/s", MIB),
        ("1mb", MIB),
        ("1.5 KB/s", 1536),
        ("250000", 250_000),
        ("250000 B/s", 250_000),
        ("2GB/s", 2048 * MIB),
    ],
)
def test_rates_as_people_write_them(text: str, wanted: float):
    assert rate(text) == wanted


@pytest.mark.parametrize("text", ["", "fast", "1 Mbit/s", "-1MB/s", "0", "1MB/min", "1e9", "100"])
def test_what_is_no_rate_is_told(s3_config: RepositoryConfig, text: str):
    with pytest.raises(ValueError, match=r"is no rate|is less than"):
        rate(text)
    config = msgspec.structs.replace(s3_config, limit_upload=text)
    with pytest.raises(ConfigError, match=r"repository\.limit_upload: .*(no rate|less than)"):
        open_storage(config, clock=FakeClock(), random=random.Random(1))


def test_any_storage_is_held_to_it(tmp_path: Path):
    """One that never asks rests after each object."""
    clock = FakeClock()
    limits = {"limit_upload": "2048 B/s", "limit_download": "4096 B/s"}
    config = RepositoryConfig(url=f"file://{tmp_path}/r", **limits)
    storage = open_storage(config, clock=clock, random=random.Random(1))
    for number in range(5):
        put(storage, f"packs/{number}", bytes(2048))
    assert sum(clock.slept) == 4.0
    for number in range(5):
        assert storage.get(f"packs/{number}") == bytes(2048)
    assert sum(clock.slept) == 4.0 + 2.0
    for number in range(5):
        assert storage.get_into(f"packs/{number}", room) == bytes(2048)
    assert sum(clock.slept) == 4.0 + 2.0 + 2.5
    storage.close()


def test_attempts_that_fail_use_the_line_too(s3_config: RepositoryConfig, line: RoughLine):
    clock = FakeClock()
    data = random.Random(1).randbytes(64 * KIB)
    config = msgspec.structs.replace(
        s3_config, endpoint=line.endpoint, limit_upload=f"{16 * KIB} B/s"
    )
    storage = open_storage(config, clock=clock, random=random.Random(1))
    line.plan = [answer_lost]
    put(storage, data=data)
    assert line.plan == []
    assert sum(clock.slept) >= 2 * 4 - 1
    storage.close()

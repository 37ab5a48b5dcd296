"""A share each time, and everything within as many runs as make up the whole."""

from __future__ import annotations

import hashlib
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocsnap.errors import LocalIOError
from ocsnap.repository.rotation import FILE_NAME, Rotation

SHARES = st.sampled_from([0.05, 0.1, 0.3, 1 / 3, 0.5, 1.0])
SIZES = st.integers(1, 40_000_000)
COMINGS = st.lists(SIZES, max_size=6)
GOINGS = st.lists(st.integers(0, 1000), max_size=6)


def named(number: int) -> str:
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return f"packs/{digest[:2]}/{digest}.gpg"


def run(folder: Path, share: float, sizes: dict[str, int]) -> frozenset[str]:
    with closing(Rotation(folder, share)) as rotation:
        chosen = rotation.choose(sizes)
        for name in chosen:
            rotation.read(name, 1.0)
        rotation.finish(sizes)
    return chosen


@settings(max_examples=15, deadline=None)
@given(
    SHARES,
    st.lists(SIZES, min_size=1, max_size=60),
    st.lists(st.tuples(COMINGS, GOINGS), min_size=42, max_size=42),
)
def test_all_that_stays_is_read_in_time(
    share: float, first: list[int], days: list[tuple[list[int], list[int]]]
):
    count = len(first)
    sizes = {named(number): size for number, size in enumerate(first)}
    unread_since = dict.fromkeys(sizes, 0)
    whole = -(-1 // share)
    with tempfile.TemporaryDirectory() as name:
        for day, (coming, going) in enumerate(days, 1):
            chosen = run(Path(name), share, sizes)
            assert chosen <= sizes.keys()
            for each in sizes:
                unread_since[each] = 0 if each in chosen else unread_since[each] + 1
                assert unread_since[each] < whole, f"day {day}"
            for number in going:
                if len(sizes) > 1:
                    gone = sorted(sizes)[number % len(sizes)]
                    del sizes[gone], unread_since[gone]
            for size in coming:
                sizes[named(count)] = size
                unread_since[named(count)] = 0
                count += 1


def test_twenty_runs_of_five_percent_read_everything_once(tmp_path: Path):
    sizes = {named(number): 20_000_000 for number in range(200)}
    runs = [run(tmp_path, 0.05, sizes) for _ in range(40)]
    assert all(len(chosen) == 10 for chosen in runs)
    assert frozenset().union(*runs[:20]) == sizes.keys()
    assert runs[20:] == runs[:20], "in the same order again"


def test_an_interrupted_run_is_taken_up_again(tmp_path: Path):
    sizes = {named(number): 10 for number in range(20)}
    with closing(Rotation(tmp_path, 0.2)) as rotation:
        chosen = sorted(rotation.choose(sizes))
        rotation.read(chosen[0], 1.0)
    again = run(tmp_path, 0.2, sizes)
    assert chosen[0] not in again
    assert again > set(chosen[1:])


def test_coverage_is_told(tmp_path: Path):
    sizes = {named(number): 100 for number in range(4)}
    with closing(Rotation(tmp_path, 0.25)) as rotation:
        (first,) = rotation.choose(sizes)
        rotation.read(first, 50.0)
        coverage = rotation.finish(sizes)
    assert (coverage.runs, coverage.whole_runs) == (1, 4)
    assert (coverage.covered_bytes, coverage.total_bytes) == (100, 400)
    assert (coverage.never_read, coverage.oldest) == (3, None)


def test_a_file_that_is_rubbish_is_named(tmp_path: Path):
    (tmp_path / FILE_NAME).write_bytes(b"rubbish" * 1000)
    with pytest.raises(LocalIOError, match=FILE_NAME):
        Rotation(tmp_path, 0.05)

"""What former backups tell of the next one: runs whose lengths and shares are known."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocsnap.commands.backup.experience import LATEST, Experience, experience
from ocsnap.commands.restore.estimate import USUAL_RATE
from ocsnap.repository.snapshot import Root, RootKind, Snapshot, StoredSnapshot
from ocsnap.repository.tree import Entry
from ocsnap.units import GIB, MIB
from tests.snapshot.studio import OWNCLOUD

ENTRY = Entry(b"", 0o40700, 0, 0, 0, 0, 1)
FIGURES = (
    *("read_bytes", "deduplicated_bytes", "raw_delta_bytes", "new_file_bytes"),
    *("changed_file_bytes", "changed_delta_bytes", "maintenance_seconds"),
)


def made(number: int, seconds: float, *, dump_bytes: int = 0, **figures: object) -> StoredSnapshot:
    """Return a snapshot as a backup of this length would leave it."""
    dump = Root(kind=RootKind.DATABASE, name="d", path=b"d", entry=ENTRY, size_bytes=dump_bytes)
    snapshot = Snapshot(
        repository="r",
        started=number * 86_400.0,
        finished=number * 86_400.0 + seconds,
        host="cloud",
        program="1",
        parent=str(number - 1) if number else None,
        owncloud=OWNCLOUD,
        roots=[dump],
        statistics=figures,
    )
    return StoredSnapshot(id=f"{number:064x}", name=str(number), snapshot=snapshot)


def test_nothing_is_known_before_the_first_backup():
    nothing = experience([], stored_bytes=0, content_bytes=0)
    assert nothing == Experience()
    assert nothing.seconds(USUAL_RATE * 60) == pytest.approx(60)


def test_a_large_first_backup_and_small_ones_after_it():
    first = made(
        0,
        1000,
        read_bytes=10 * GIB,
        new_file_bytes=10 * GIB,
        deduplicated_bytes=2 * GIB,
        raw_delta_bytes=8 * GIB,
    )
    later = [
        made(
            number,
            30,
            dump_bytes=GIB,
            read_bytes=GIB,
            changed_file_bytes=GIB,
            changed_delta_bytes=GIB // 100,
            deduplicated_bytes=GIB * 99 // 100,
            raw_delta_bytes=GIB // 100 + GIB // 10,
            maintenance_seconds=4.0,
        )
        for number in range(1, 5)
    ]
    known = experience([first, *later], stored_bytes=4 * GIB, content_bytes=8 * GIB)
    assert known.backups == 5
    assert known.bytes_per_second == pytest.approx(8 * GIB / 1000)
    # Another one like the latest takes as long as they.
    assert known.seconds(GIB // 100 + GIB // 10) == pytest.approx(30)
    assert known.maintenance_seconds == 4
    assert known.new_share == pytest.approx(0.8, abs=0.01)
    assert known.changed_share == pytest.approx(0.01, abs=0.01)
    assert known.dump_share == pytest.approx(0.1, abs=0.01)
    assert known.stored_share == pytest.approx(0.5, abs=0.01)


def test_a_few_bytes_tell_neither_a_rate_nor_a_share():
    small = made(0, 5, raw_delta_bytes=MIB, new_file_bytes=MIB, deduplicated_bytes=MIB)
    known = experience([small], stored_bytes=MIB // 10, content_bytes=MIB)
    assert known.bytes_per_second == USUAL_RATE
    assert known.new_share > 0.85
    assert known.stored_share > 0.85
    assert 4.5 < known.least_seconds < 5


def test_only_the_latest_are_asked():
    slow = [made(number, 100_000, raw_delta_bytes=GIB) for number in range(LATEST)]
    fast = [made(LATEST + number, 10, raw_delta_bytes=GIB) for number in range(LATEST)]
    known = experience([*slow, *fast], stored_bytes=0, content_bytes=0)
    assert known.bytes_per_second == GIB / 10


@given(
    st.lists(
        st.tuples(
            st.floats(-1e9, 1e9),
            st.dictionaries(
                st.sampled_from(FIGURES), st.integers(-(2**50), 2**50) | st.text(max_size=3)
            ),
            st.integers(0, 2**50),
        ),
        max_size=LATEST + 2,
    )
)
def test_whatever_stands_in_the_snapshots_the_figures_are_figures(
    runs: list[tuple[float, dict[str, object], int]],
):
    found = [
        made(number, seconds, dump_bytes=dump, **figures)
        for number, (seconds, figures, dump) in enumerate(runs)
    ]
    known = experience(found, stored_bytes=-1, content_bytes=2**50)
    for share in (known.changed_share, known.new_share, known.dump_share):
        assert 0 <= share <= 1
    assert known.bytes_per_second > 0
    assert known.seconds(GIB) > 0
    assert math.isfinite(known.seconds(GIB))

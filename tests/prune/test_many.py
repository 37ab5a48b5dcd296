"""Memory and requests of a prune of many snapshots; `make bench-prune` has more of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.prune.measured import make, measured

if TYPE_CHECKING:
    from pathlib import Path

MOST_KIB = 128 * 1024


def test_a_prune_of_many_snapshots_takes_little_memory_and_few_requests(tmp_path: Path):
    make(tmp_path, snapshots=16, files=2000, changes=30)
    found = measured(tmp_path, kept=5)
    assert found["removed_snapshots"] == 11
    assert found["removed_packs"] > 5
    assert found["peak_kib"] < MOST_KIB
    # Each snapshot, index object and pack of listings is read once, and some packs are repacked.
    assert found["requests"] < 16 * 8
    again = measured(tmp_path, kept=5)
    assert (again["removed_packs"], again["removed_snapshots"]) == (0, 0)
    assert again["requests"] < 60

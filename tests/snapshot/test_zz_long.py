from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.repository.workshop import Workshop
from tests.snapshot.garden import CHANGES, PLANTING, Change, Garden
from tests.snapshot.likeness import differences, portrait
from tests.snapshot.studio import Studio


@settings(max_examples=1200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    planting=st.lists(PLANTING, max_size=12),
    days=st.lists(st.lists(CHANGES, max_size=8), max_size=4),
)
def test_every_snapshot_restores_what_was_there(planting: list[Change], days: list[list[Change]]):
    with tempfile.TemporaryDirectory(prefix="ocsnap-") as name:
        folder = Path(name)
        garden = Garden(folder / "garden")
        studio = Studio(Workshop(folder / "workshop"))
        backups = []
        for changes in [planting, *days]:
            for change in changes:
                change.apply(garden)
            backup = studio.backup(garden.root)
            backups.append((backup.stored, portrait(garden.root)))
            assert backup.monitor.problems == []
        elsewhere = studio.elsewhere("new-host")
        for number, (stored, before) in enumerate(backups):
            target = folder / f"restored-{number}"
            report = elsewhere.restore(stored, target)
            assert report.failed == []
            assert differences(before, portrait(target)) == []
            assert report.files == stored.snapshot.files == len(before) - 1

"""Repositories of every format that there ever was: they restore for ever."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from ocsnap.monitor import SilentMonitor
from ocsnap.storage.local import LocalStorage
from tests.repository.workshop import Workshop
from tests.snapshot.likeness import Likeness, differences, portrait
from tests.snapshot.studio import SUPERUSER, Studio

FIXTURES = Path(__file__).parent.parent / "fixtures"


@pytest.mark.parametrize("name", ["format-1"])
def test_a_repository_of_an_old_format_restores(name: str, tmp_path: Path):
    shutil.copytree(FIXTURES / name / "repository", tmp_path / "repository")
    storage = LocalStorage(tmp_path / "repository")
    studio = Studio(Workshop(tmp_path / "workshop", storage))
    monitor = SilentMonitor()
    with studio.synchronised() as repository:
        found = repository.snapshots(monitor)
    assert monitor.problems == []
    assert studio.check(read_data=True).sound
    for number, stored in enumerate(found):
        content = (FIXTURES / name / f"expected-{number}.json").read_bytes()
        expected = dict(msgspec.json.decode(content, type=list[tuple[bytes, Likeness]]))
        target = tmp_path / f"target-{number}"
        assert studio.restore(stored, target).failed == []
        actual = portrait(target)
        if not SUPERUSER:
            expected = {key: each._replace(owner=(0, 0)) for key, each in expected.items()}
            actual = {key: each._replace(owner=(0, 0)) for key, each in actual.items()}
        assert differences(expected, actual) == []
    assert len(found) == 2

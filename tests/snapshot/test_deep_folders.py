"""Folders deeper than any path may be long come back equal, and cost nobody else anything."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from ocsnap.monitor import SilentMonitor
from ocsnap.snapshot.reach import LONGEST_BYTES, PATH_BYTES, Reach
from ocsnap.snapshot.restorer import Placement, Restorer
from tests.snapshot.likeness import differences, portrait
from tests.snapshot.shaft import NAME, Shaft, dig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.snapshot.studio import Studio


@pytest.fixture
def deep(folder: Path) -> Iterator[Shaft]:
    shaft = dig(folder)
    yield shaft
    shaft.close()
    for path in folder.iterdir():
        shutil.rmtree(path)


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "target"
    shutil.rmtree(tmp_path / "target")


@pytest.mark.usefixtures("deep")
def test_it_comes_back(studio: Studio, folder: Path, target: Path):
    backup = studio.backup(folder)
    assert backup.monitor.problems == []
    assert studio.elsewhere("new").restore(backup.stored, target).failed == []
    expected = portrait(folder)
    assert max(map(len, expected)) > PATH_BYTES + 3000
    assert differences(expected, portrait(target)) == []


def test_what_changes_down_there_is_found(studio: Studio, folder: Path, deep: Shaft, target: Path):
    studio.backup(folder)
    assert studio.backup(folder).statistics.files_read == 0
    content = bytearray(deep.read(b"large"))
    content[1000:1003] = b"new"
    deep.write(b"large", content)
    os.rename(deep.at(b"link"), deep.at(b"link of another name"))
    backup = studio.backup(folder)
    assert backup.statistics.files_read == 1
    assert backup.statistics.raw_delta_bytes < len(content) // 2
    assert backup.monitor.problems == []
    # What stands there already is taken from there.
    with studio.synchronised() as repository:
        restorer = Restorer(repository, monitor=SilentMonitor(), owners=studio.superuser)
        root = backup.stored.snapshot.roots[0]
        report = restorer.restore([Placement(root, os.fsencode(target), os.fsencode(folder))])
    assert report.failed == []
    assert report.reused_files > 0
    assert differences(portrait(folder), portrait(target)) == []


def test_what_is_lost_down_there_is_named(
    studio: Studio, folder: Path, deep: Shaft, tmp_path: Path
):
    deep.write(b"lost", b"1")
    backup = studio.backup(folder)
    packs = [info for info in studio.workshop.storage.list() if info.name.startswith("packs/")]
    for info in packs:
        studio.workshop.storage.delete(info.name)
    suffering = studio.check(read_data=False).files
    assert any(path.endswith("/lost") and len(path) > PATH_BYTES for path in suffering)
    report = studio.restore(backup.stored, tmp_path / "target")
    assert any(path.endswith("/lost") for path in report.failed)
    shutil.rmtree(tmp_path / "target")


def test_there_is_an_end_to_depth(studio: Studio, folder: Path, tmp_path: Path):
    (folder / "file").write_text("beside it")
    shaft = Shaft(folder)
    levels = LONGEST_BYTES // 256 + 1
    for _ in range(levels):
        shaft.dig(b"e" * 255)
    backup = studio.backup(folder)
    (problem,) = backup.monitor.problems
    assert problem.reason == "File name too long"
    assert backup.statistics.errors == 1
    assert levels - 3 < backup.entry.entries < levels
    assert studio.restore(backup.stored, tmp_path / "t").failed == []
    assert (tmp_path / "t" / "file").read_text() == "beside it"
    shaft.close()
    for place in (folder, tmp_path / "t"):
        shutil.rmtree(place)


def test_an_error_names_the_whole_path(tmp_path: Path):
    path = os.fsencode(tmp_path) + (b"/" + NAME) * 30
    with pytest.raises(FileNotFoundError) as caught, Reach(path):
        pass
    assert caught.value.filename == path

"""Walking the trees of many snapshots: what they share is looked through once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsnap.repository.reader import BlobReader
from tests.repository.workshop import Workshop
from tests.snapshot.studio import Studio

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

DIRECTORIES = 6
"""The folder itself and five in it."""


def test_shared_directories_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "folder"
    for number in range(DIRECTORIES - 1):
        (folder / str(number)).mkdir(parents=True)
        (folder / str(number) / "file").write_text(str(number))
    studio = Studio(Workshop(tmp_path / "workshop"))
    for day in range(4):
        (folder / "0" / "file").write_text(f"day {day}")
        studio.backup(folder)
    loaded: list[bytes] = []
    load = BlobReader.load
    monkeypatch.setattr(
        BlobReader, "load", lambda reader, blob: (loaded.append(blob), load(reader, blob))[1]
    )

    report = studio.check(read_data=False)

    assert (report.snapshots, report.sound) == (4, True)
    changed_each_day = 2
    assert len(loaded) == DIRECTORIES + 3 * changed_each_day
    assert len(set(loaded)) == len(loaded)


def test_damage_in_a_shared_directory_is_told_of_each_snapshot(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "file").write_text("content")
    studio = Studio(Workshop(tmp_path / "workshop"))
    ids = [studio.backup(folder).stored.short_id for _ in range(3)]
    storage = studio.workshop.storage
    for info in [*storage.list("packs/")]:
        storage.delete(info.name)

    report = studio.check(read_data=False)

    assert sorted(report.files[str(folder / "below" / "file")]) == sorted(ids)

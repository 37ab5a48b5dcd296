"""What `ocsnap stats` tells agrees with what was done, and with the disk."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.cli.installation import install

if TYPE_CHECKING:
    from pathlib import Path


def test_the_figures_are_those_of_the_disk(tmp_path: Path):
    cloud = install(tmp_path, files_per_user=4, large_bytes=1_500_000)
    cloud.set("scan", trust_etags="never")
    files = cloud.site.homes["alice"] / "files"
    assert cloud.run("-q", "backup").status == 0
    large = max(files.rglob("*"), key=lambda path: path.stat().st_size)
    with large.open("r+b") as file:
        file.seek(700_000)
        file.write(b"edited in the middle")
    assert cloud.run("-q", "backup").status == 0
    bob = cloud.site.homes["bob"] / "files" / large.name
    shutil.copy(bob, files / "copy of bob's")
    assert cloud.run("-q", "backup").status == 0

    told = cloud.json("stats")
    first, second, third = told["snapshots"]
    assert first["grown_bytes"] == first["size_bytes"]
    assert second["size_bytes"] == first["size_bytes"] + second["grown_bytes"]
    size_bytes = large.stat().st_size
    assert second["new_bytes"] < size_bytes / 4
    assert second["delta_saved_bytes"] > 0.8 * size_bytes
    assert third["deduplicated_bytes"] >= bob.stat().st_size
    assert third["delta_saved_bytes"] == 0
    assert told["full_bytes"] == sum(each["size_bytes"] for each in told["snapshots"])
    assert told["content_bytes"] < told["full_bytes"]
    objects = [path for path in cloud.repository.rglob("*") if path.is_file()]
    objects.remove(cloud.repository / "ocsnap.json")
    assert told["stored_bytes"] == sum(path.stat().st_size for path in objects)

    users = {each["user"]: each for each in told["users"]}
    assert set(users) == set(cloud.site.homes)
    shown = [path for path in files.rglob("*") if path.is_file() and path.suffix != ".part"]
    assert users["alice"]["shown_bytes"] == sum(path.stat().st_size for path in shown)
    assert users["alice"]["grown_bytes"] == bob.stat().st_size
    assert users["bob"]["grown_bytes"] == 0

    text = cloud.run("stats", "--last", "2").out.splitlines()
    ids = tuple(each["id"][:8] for each in told["snapshots"])
    assert sum(line.startswith(ids) for line in text) == 2
    assert any(line.startswith("alice ") for line in text)
    assert "of that." in text[-1]


def test_of_nothing_there_are_no_figures(tmp_path: Path):
    cloud = install(tmp_path, files_per_user=1, large_bytes=0)
    assert cloud.run("stats").status == 11
    assert cloud.run("stats", "--last", "0").status == 2

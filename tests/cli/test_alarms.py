"""An alarm on the command line: told with a status of its own, and let rest by a person."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.cli.installation import install

if TYPE_CHECKING:
    from pathlib import Path


def test_an_alarm_is_told_listed_and_acknowledged(tmp_path: Path):
    cloud = install(tmp_path)
    metrics = cloud.folder / "ocsnap.prom"
    cloud.set("metrics", textfile=str(metrics))
    cloud.set("guard", least_files=10, least_bytes=10_000, least_rows=10)
    assert cloud.run("-q", "backup").status == 0
    files = cloud.site.homes["alice"] / "files"
    shutil.rmtree(files)
    files.mkdir()
    result = cloud.run("-q", "backup")
    assert result.status == 17
    told = [line for line in result.out.splitlines() if line.startswith("ALARM ")]
    assert any("files of alice are gone" in line for line in told)
    (marked,) = [each for each in cloud.json("snapshots")["snapshots"] if each["alarms"]]
    assert f"ocsnap acknowledge {marked['id'][:8]}" in result.out
    assert not marked["acknowledged"]
    assert "lost-files" in cloud.run("-q", "snapshots").out
    assert cloud.run("acknowledge").status == 2
    assert cloud.run("acknowledge", "ffff").status == 13
    tried = cloud.run("-q", "prune", "--dry-run", "--keep-last", "1").out
    assert f"while alarms are open: ocsnap acknowledge {marked['id'][:8]}" in tried
    assert cloud.run("-q", "prune", "--keep-last", "1").status == 17
    assert 'ocsnap_open_alarms{operation="backup"} 1\n' in metrics.read_text()
    assert "gone" in cloud.run("acknowledge", marked["id"][:8], "--reason", "Cleared up.").out
    assert 'ocsnap_open_alarms{operation="backup"} 0\n' in metrics.read_text()
    listed = cloud.run("-q", "snapshots").out
    assert "lost-files" in listed
    assert "(acknowledged)" in listed
    assert cloud.json("snapshots")["snapshots"][-1]["acknowledged"]
    assert cloud.json("acknowledge", "latest") == {"acknowledged": [], "dry_run": False}
    result = cloud.run("-q", "backup")
    assert (result.status, "ALARM" in result.out) == (0, False)

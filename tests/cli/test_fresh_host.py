"""A host that remembers nothing: the state_dir is a cache, and only a cache."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.state import State

if TYPE_CHECKING:
    from tests.cli.installation import Installation


@pytest.mark.parametrize("lost", ["all", "cache"])
def test_nothing_is_uploaded_twice(installation: Installation, lost: str):
    first = installation.json("backup")
    if lost == "all":
        shutil.rmtree(installation.state_dir)
    else:
        for cache in installation.state_dir.rglob("cache.db*"):
            cache.unlink()
    second = installation.json("backup")
    assert second["parent"] == first["snapshot"]
    assert second["statistics"]["files_read"] <= 1, "config.php, which the first backup changed"
    assert second["put_bytes"] < 20_000


def test_verify_and_restore_start_from_nothing(installation: Installation):
    installation.json("backup")
    installation.site.mutate(8)
    installation.json("backup")
    wanted = State.of(installation.site)
    shutil.rmtree(installation.state_dir)
    assert installation.json("verify", "--read-data")["sound"]
    shutil.rmtree(installation.state_dir)
    shutil.rmtree(installation.site.data_dir)
    shutil.rmtree(installation.site.root / "config")
    assert installation.json("restore", "--yes", "--no-fingerprint")["failed"] == []
    assert State.of(installation.site) == wanted


def test_a_cache_that_is_rubbish_is_said_to_be_so(installation: Installation):
    installation.json("backup")
    (cache,) = installation.state_dir.glob("*/cache.db")
    cache.write_bytes(b"rubbish" * 1000)
    for side in cache.parent.glob("cache.db-*"):
        side.unlink()
    result = installation.run("-q", "backup")
    assert "Traceback" not in result.err, result.err
    assert result.status in (0, 15)
    if result.status:
        assert str(cache) in result.err


def test_two_ownclouds_share_a_repository(installation: Installation):
    wanted = State.of(installation.site)
    first = installation.json("backup")["snapshot"]
    other = installation.folder / "other"
    shutil.copytree(installation.site.root, other, symlinks=True)
    installation.set("owncloud", root=str(other))
    second = installation.json("backup")
    assert second["parent"] is None, "the other one's"
    assert second["put_bytes"] < 100_000, "but its content is there"
    installation.set("owncloud", root=str(installation.site.root))
    report = installation.json("restore", "--yes", "--no-fingerprint")
    assert report["snapshot"] == first, "the latest of this one"
    assert State.of(installation.site) == wanted
    # A machine that has nothing cannot know which of the two it is.
    bare = ["--repository", f"file://{installation.repository}", "--passphrase-file"]
    bare += [str(installation.folder / "passphrase"), "--state-dir", str(other / "notes")]
    target = installation.folder / "look"
    command = [sys.executable, "-m", "ocsnap", "--quiet", "restore", "--target", str(target)]
    for wanted_id, status in ((None, 13), (second["snapshot"][:8], 0)):
        chosen = ["--snapshot", wanted_id] if wanted_id else []
        done = subprocess.run(
            [*command, *bare, *chosen], capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done
        assert target.exists() is (status == 0)
        if status:
            assert f"--snapshot {first[:8]} for {installation.site.root} on " in done.stderr
    listed = installation.run("-q", "snapshots").out
    assert f" {other} " in listed


def test_no_new_repository_is_made_where_one_was(installation: Installation):
    """The disk is not mounted, say; on one that is, it goes on as before."""
    installation.json("backup")
    away = installation.repository.with_name("unmounted")
    installation.repository.rename(away)
    refused = installation.run("-q", "backup")
    assert refused.status == 11, refused
    assert "no new one is made" in refused.err
    assert not installation.repository.exists()
    away.rename(installation.repository)
    installation.json("backup")
    shutil.rmtree(installation.repository)
    shutil.rmtree(next(path.parent for path in installation.state_dir.glob("*/cache.db")))
    assert installation.json("backup")["parent"] is None

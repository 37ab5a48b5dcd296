"""Pruning, pinning and repairing as an admin does it: by the command line."""

from __future__ import annotations

import os
import shutil
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.installation import install
from tests.cli.state import State

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.installation import Installation
    from tests.servers.s3 import S3Server


def change_and_back_up(installation: Installation, seed: int) -> dict[str, Any]:
    file = installation.site.homes["alice"] / "files" / "changes.bin"
    file.write_bytes(os.urandom(100_000))
    installation.site.mutate(seed, changes=4)
    report: dict[str, Any] = installation.json("backup")
    return report


def ids(installation: Installation) -> list[str]:
    return [each["id"] for each in installation.json("snapshots")["snapshots"]]


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Four snapshots; each test works on a copy of the repository."""
    installation = install(tmp_path_factory.mktemp("prune"), users=("alice", "bob"))
    installation.set("prune", grace_hours=0)
    for seed in range(4):
        change_and_back_up(installation, seed)
    return installation


@pytest.fixture
def installation(grown: Installation) -> Installation:
    """Put the repository and the local notes back as they were."""
    kept = grown.folder / "kept"
    places = (grown.repository, grown.state_dir)
    if not kept.exists():
        for place in places:
            shutil.copytree(place, kept / place.name)
    for place in places:
        shutil.rmtree(place)
        shutil.copytree(kept / place.name, place)
    grown.settings["prune"] = {"grace_hours": 0}
    return grown


def test_a_dry_run_tells_why_and_changes_nothing(installation: Installation):
    before = sorted(installation.repository.rglob("*"))
    result = installation.run("prune", "--dry-run", "--keep-last", "2")
    assert result.status == 0
    lines = result.out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["remove", "remove", "keep", "keep"]
    assert "last 1 of 2" in lines[3]
    assert "Would remove 2 snapshots; 2 stay." in lines
    assert sorted(installation.repository.rglob("*")) == before


def test_in_cron_a_prune_that_goes_well_says_nothing(installation: Installation):
    result = installation.run("-q", "prune", "--keep-last", "3")
    assert (result.status, result.out, result.err) == (0, "", "")
    assert len(ids(installation)) == 3


def test_without_rules_a_dry_run_says_that_there_are_none(installation: Installation):
    lines = installation.run("prune", "--dry-run").out.splitlines()
    assert all(line.startswith("keep ") and line.endswith("  no rule is set") for line in lines[:4])
    assert "Would remove 0 snapshots; 4 stay." in lines


def test_pruned_restored_and_pruned_again(installation: Installation):
    wanted = State.of(installation.site)
    (first, _, third, fourth) = ids(installation)
    assert installation.run("pin", first[:8]).out == f"{first[:8]} is pinned.\n"
    report = installation.json("prune", "--keep-last", "2")
    assert report["removed_snapshots"] == 1
    assert report["removed_packs"] > 0
    assert report["requests"] > 0
    assert ids(installation) == [first, third, fourth]
    assert installation.json("unpin", first[:8])["changed"] is True
    result = installation.run("prune", "--keep-last", "1")
    assert (result.status, "Removed 2 snapshots; 1 stay." in result.out) == (0, True), result
    assert ids(installation) == [fourth]
    shutil.rmtree(installation.site.data_dir)
    installation.json("restore", "--yes")
    found = State.of(installation.site)  # a freeze rewrites config.php
    assert (found.files, found.rows) == (wanted.files, wanted.rows)
    assert not list((installation.repository / "locks").iterdir())


def test_without_rules_all_snapshots_stay(installation: Installation):
    result = installation.run("prune")
    assert result.status == 0
    assert "No rule is set in [prune]" in result.err
    assert len(ids(installation)) == 4


def test_pins_are_found_by_id_and_only_there(installation: Installation):
    first = ids(installation)[0]
    assert installation.json("pin", first[:8])["changed"] is True
    assert installation.run("pin", first[:8]).out == f"{first[:8]} is pinned already.\n"
    assert installation.run("pin", "0" * 8).status == 13


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("--keep-last", "-1"), 2),
        (("--keep-daily", "x"), 2),
        (("--keep-within", "soon"), 2),
    ],
)
def test_wrong_rules(installation: Installation, arguments: tuple[str, ...], status: int):
    assert installation.run("prune", *arguments).status == status
    assert len(ids(installation)) == 4


def test_after_a_backup_that_went_well_and_no_other(installation: Installation):
    installation.set("prune", after_backup=True, keep_last=2)
    with installation.site.fault("database-down"):
        assert installation.run("backup").status != 0
    assert len(ids(installation)) == 4
    assert "Removed 3 snapshots; 2 stay." in installation.run("backup").out
    assert len(ids(installation)) == 2


def test_a_lost_index_is_repaired(installation: Installation):
    for path in (installation.repository / "index").iterdir():
        path.unlink()
    shutil.rmtree(installation.state_dir)
    assert installation.run("verify").status == 10
    result = installation.run("repair", "--dry-run")
    assert result.status == 10
    assert "Would list" in result.out
    result = installation.run("repair")
    assert (result.status, "Everything is as it was stored." in result.out) == (0, True), result
    assert installation.json("verify", "--read-data")["sound"] is True


def test_lost_content_is_stored_again(installation: Installation):
    packs = sorted((installation.repository / "packs").rglob("*.gpg"), key=os.path.getmtime)
    packs[-1].write_bytes(packs[-1].read_bytes()[:-1])
    assert installation.run("verify").status == 10
    result = installation.run("repair")
    assert result.status == 10
    assert "LOST" in result.out
    assert "Run: ocsnap backup." in result.out
    installation.json("backup")
    latest = ids(installation)[-1][:8]
    files = installation.run("--json", "verify").json()["report"]["files"]
    # Of the database an older state is lost: it is on no disk any more.
    assert all(path.endswith("owncloud.sqlite") for path in files)
    assert all(latest not in suffering for suffering in files.values())


def test_a_killed_prune_hinders_nobody(installation: Installation):
    """Its lock is void at once, since its process is no more."""
    for _ in range(2):
        with installation.started("-v", "prune", "--keep-last", "1") as process:
            assert process.stderr is not None
            while "Finding what" not in process.stderr.readline():
                assert process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.wait(30)
    assert installation.run("prune", "--keep-last", "1").status == 0
    assert installation.json("verify", "--read-data")["sound"] is True
    assert not list((installation.repository / "locks").iterdir())


def test_a_prune_while_a_backup_is_at_work_on_this_machine(installation: Installation):
    with installation.site.fault("slow", "1"), installation.started("-q", "backup") as backup:
        lock = installation.state_dir / "lock"
        end = time.monotonic() + 30
        while lock.read_text() != f"a backup, process {backup.pid}":
            assert time.monotonic() < end
            time.sleep(0.01)
        result = installation.run("prune", "--keep-last", "1")
        assert result.status == 12
        assert "a backup" in result.err
        assert backup.wait(60) == 0


def test_on_a_real_store(s3: S3Server, tmp_path: Path):
    installation = install(tmp_path, files_per_user=6, large_bytes=200_000)
    installation.settings["repository"] = s3.settings(s3.new_bucket(), "cloud", tmp_path)
    installation.set("prune", grace_hours=0, keep_last=1)
    for seed in range(3):
        change_and_back_up(installation, seed)
    report = installation.json("prune")
    assert report["removed_snapshots"] == 2
    assert report["removed_packs"] > 0
    assert report["denied"] == []
    assert installation.json("verify", "--read-data")["sound"] is True
    again = installation.json("prune")
    assert (again["removed_packs"], again["marked_packs"]) == (0, 0)

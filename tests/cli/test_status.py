"""Runs that nobody watches: followed by `ocsnap status`, silent in cron, one at a time."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_interruptions import is_frozen, wait_until

if TYPE_CHECKING:
    from tests.cli.installation import Installation

WAIT_SECONDS = 40


@pytest.fixture
def slow(installation: Installation) -> Installation:
    """Let the window take its time."""
    installation.json("backup")
    installation.set("maintenance", settle_seconds=20)
    return installation


def last(installation: Installation) -> dict[str, Any]:
    runs = installation.json("status")["runs"]
    return dict(runs[0])


def test_nothing_has_run(installation: Installation):
    assert installation.json("status") == {"runs": []}
    assert "Nothing has run" in installation.run("status").out
    followed = installation.run("status", "--follow")
    assert (followed.status, followed.out) == (0, "No run is going on.\n")


def test_how_the_last_runs_ended(installation: Installation):
    snapshot = installation.json("backup")["snapshot"]
    installation.json("verify")
    verified, backed_up = installation.json("status")["runs"]
    assert (verified["command"], verified["state"]) == ("verify", "done")
    assert (backed_up["state"], backed_up["snapshot"]) == ("done", snapshot)
    text = installation.run("status").out
    assert f"snapshot {snapshot[:8]}" in text
    site = installation.site
    with site.fault("database-down"):
        assert installation.run("-q", "backup").status == 5
    failed = last(installation)
    assert (failed["state"], failed["exit_status"]) == ("failed", 5)
    assert failed["last_good"] == backed_up["started"]
    assert failed["message"] in installation.run("status").out


def test_a_detached_run_goes_on_and_can_be_followed(slow: Installation):
    go = slow.folder / "go"
    wait = f"until [ -e {go} ]; do sleep 0.1; done"
    slow.set("maintenance", settle_seconds=0)
    slow.set("hooks", while_frozen=[["sh", "-c", wait]], frozen_timeout_seconds=120)
    told = slow.json("backup", "--detach")
    assert told["running"] is True
    assert os.getsid(told["pid"]) == told["pid"], "it has no terminal"
    assert last(slow)["pid"] == told["pid"]
    assert f"process {told['pid']}" in slow.run("status").out
    with slow.started("status", "--follow") as following:
        assert following.stderr is not None
        assert "backup: " in following.stderr.readline()
        go.touch()
        out, _ = following.communicate(timeout=WAIT_SECONDS)
    assert following.returncode == 0
    assert "done" in out
    run = last(slow)
    assert (run["pid"], run["state"], run["exit_status"]) == (told["pid"], "done", 0)
    log = (slow.state_dir / "backup.log").read_text()
    assert "Freezing ownCloud" in log
    assert "[ Backup Statistics ]" in log
    assert len(slow.json("snapshots")["snapshots"]) == 2


def test_what_stands_against_a_detached_run_is_told_at_once(installation: Installation):
    installation.set("owncloud", root=str(installation.folder))
    result = installation.run("backup", "--detach")
    assert result.status == 5, result
    assert "is no ownCloud" in result.err
    installation.set("owncloud", root=3)
    assert installation.run("backup", "--detach").status == 4


def test_a_detached_run_that_is_not_due(installation: Installation):
    installation.json("backup")
    told = installation.json("backup", "--detach", "--if-older-than", "20h")
    assert told["running"] is False
    assert "young enough" in (installation.state_dir / "backup.log").read_text()
    assert len(installation.json("snapshots")["snapshots"]) == 1


def test_the_passphrase_of_the_environment_reaches_a_detached_run(installation: Installation):
    passphrase = (installation.folder / "passphrase").read_text().strip()
    installation.set("encryption", passphrase_file=None, passphrase_env="OC_SECRET")
    installation.environment["OC_SECRET"] = passphrase
    assert installation.run("backup", "--detach").status == 0
    wait_until(lambda: last(installation)["state"] == "done", "the end of the run")


def test_a_killed_run_is_told_of_as_such(slow: Installation):
    with slow.started("backup") as process:
        wait_until(lambda: is_frozen(slow), "the window")
        process.kill()
        process.communicate(timeout=WAIT_SECONDS)
    assert last(slow)["state"] == "died"
    assert "DIED" in slow.run("status").out
    assert slow.run("status", "--follow").out == "No run is going on.\n"
    wait_until(lambda: not is_frozen(slow), "the guardian's work")


def test_a_run_beside_another_one(slow: Installation):
    with slow.started("backup") as process:
        wait_until(lambda: is_frozen(slow), "the window")
        pid = last(slow)["pid"]
        beside = slow.run("-q", "backup")
        assert beside.status == 12
        assert "a backup" in beside.err
        assert last(slow)["pid"] == pid, "who comes too late writes nothing down"
        detached = slow.run("backup", "--detach")
        assert detached.status == 12
        assert str(pid) in detached.err
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WAIT_SECONDS)


def test_cron_hears_of_a_long_run_only_when_it_is_too_long(installation: Installation):
    installation.set("maintenance", settle_seconds=20)
    with installation.started("backup") as process:
        wait_until(lambda: is_frozen(installation), "the window")
        hourly = installation.run("-q", "backup", "--if-older-than", "20h")
        assert (hourly.status, hourly.out, hourly.err) == (12, "", "")
        spoken = installation.run("backup", "--if-older-than", "20h")
        assert spoken.status == 12
        assert spoken.err
        path = installation.state_dir / "runs" / "backup.json"
        record = json.loads(path.read_bytes())
        path.write_text(json.dumps(record | {"started": record["started"] - 21 * 3600}))
        hourly = installation.run("-q", "backup", "--if-older-than", "20h")
        assert hourly.status == 12
        assert "at work" in hourly.err
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WAIT_SECONDS)


def test_cron_hears_nothing_of_what_goes_well(installation: Installation):
    done = installation.run("-q", "backup", "--if-older-than", "20h")
    assert (done.status, done.out, done.err) == (0, "", "")
    assert len(installation.json("snapshots")["snapshots"]) == 1
    skipped = installation.run("-q", "backup", "--if-older-than", "20h")
    assert (skipped.status, skipped.out, skipped.err) == (0, "", "")
    assert "skipped" in installation.json("backup", "--if-older-than", "1d12h")
    assert len(installation.json("snapshots")["snapshots"]) == 1
    assert installation.run("backup", "--if-older-than", "soon").status == 2


def test_cron_hears_of_what_is_missing(installation: Installation):
    installation.json("backup")
    installation.site.homes["bob"].rename(installation.folder / "unmounted")
    result = installation.run("-q", "backup")
    assert result.status == 17, "so much of it that it may be no accident"
    assert "this home is gone" in result.err
    assert "Errors 1" in result.out
    assert last(installation)["state"] == "done"
    assert last(installation)["problems"] == 1
    assert "1 problems" in installation.run("status").out


def test_a_look_in_lifts_what_was_forgotten(slow: Installation):
    lease_file = slow.state_dir / "maintenance.lease"
    with slow.started("backup") as process:
        wait_until(lambda: is_frozen(slow), "the window")
        lease = json.loads(lease_file.read_bytes())
        process.kill()
        process.communicate(timeout=WAIT_SECONDS)
    wait_until(lambda: not is_frozen(slow), "the guardian's work")
    # As after a power cut: the lease is there, and no lease_file.
    text = slow.site.config_path.read_text().replace("=> false", "=> true")
    slow.site.config_path.write_text(text)
    kept = Path(lease["copy"])
    kept.write_text(text)
    lease_file.write_text(json.dumps(lease | {"process_start": "gone"}))
    done = slow.run("-q", "backup", "--if-older-than", "20h")
    assert done.status == 0, done
    assert not is_frozen(slow)
    assert not lease_file.exists()

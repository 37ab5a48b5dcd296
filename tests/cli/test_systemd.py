"""The timers under a real systemd: they fire, catch up, and what they start may do its work."""

from __future__ import annotations

import fcntl
import os
import time
from typing import TYPE_CHECKING

import pytest

from ocsnap.commands.run_lock import LOCK_NAME
from tests.cli.installation import install
from tests.cli.test_interruptions import is_frozen
from tests.owncloud.guardians import kill_guardians
from tests.servers.systemd import running_systemd, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.installation import Installation

SERVICE = "ocsnap-backup.service"
TIMER = "ocsnap-backup.timer"
EVERY_SECOND = "OnCalendar=\nOnCalendar=*:*:0/1\n"
AT_ONCE = "[Timer]\nRandomizedDelaySec=0\nAccuracySec=100ms\n"


@pytest.fixture
def cloud(tmp_path: Path) -> Installation:
    return install(tmp_path, files_per_user=3, large_bytes=0)


def scheduled(cloud: Installation) -> Path:
    """Install a schedule into a folder; return the one with the units."""
    machine = cloud.folder / "machine"
    told = cloud.json("schedule", "install", "--systemd", "--verify", "never", "--root", machine)
    assert told["schedule"]["backend"] == "systemd"
    return machine / "etc" / "systemd" / "system"


def change(units: Path, unit: str, text: str) -> None:
    """Say more of a unit, as `systemctl edit` does."""
    folder = units / f"{unit}.d"
    folder.mkdir()
    (folder / "test.conf").write_text(text)


def snapshots(cloud: Installation) -> int:
    return len(list((cloud.repository / "snapshots").glob("*")))


def test_a_timer_fires_and_a_run_that_overlaps_ends_at_once(cloud: Installation):
    units = scheduled(cloud)
    change(units, TIMER, AT_ONCE + EVERY_SECOND)
    with running_systemd(cloud.folder, units) as systemd:
        wait_for(lambda: snapshots(cloud) >= 2, "the second backup")
        assert not is_frozen(cloud)
        with (cloud.state_dir / LOCK_NAME).open("r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # once the present run has ended
            wait_for(lambda: systemd.show(SERVICE, "ExecMainStatus") == "12", "the overlap")
            assert systemd.show(SERVICE, "Result") == "success"
        before = snapshots(cloud)
        wait_for(lambda: snapshots(cloud) > before, "the backup after it")
        assert systemd.show(SERVICE, "Result") == "success"
        systemd.ctl("stop", TIMER)
        wait_for(lambda: systemd.show(SERVICE, "ActiveState") != "activating", "the last end")
    assert not is_frozen(cloud)
    assert cloud.json("verify", "--read-data")["sound"]


@pytest.mark.parametrize("last_seconds", [3 * 86_400, 1])
def test_what_was_missed_is_made_up_for_at_the_next_start(cloud: Installation, last_seconds: int):
    units = scheduled(cloud)
    change(units, TIMER, AT_ONCE)
    stamps = cloud.folder / "remembered" / "timers"
    stamps.mkdir(parents=True)
    stamp = stamps / f"stamp-{TIMER}"
    stamp.touch()
    last = time.time() - last_seconds
    os.utime(stamp, (last, last))
    with running_systemd(cloud.folder, units) as systemd:
        assert systemd.show(TIMER, "Persistent") == "yes"
        if last_seconds > 86_400:
            wait_for(lambda: snapshots(cloud) == 1, "the backup that was missed")
            wait_for(lambda: systemd.show(SERVICE, "ActiveState") == "inactive", "its end")
            assert systemd.show(SERVICE, "Result") == "success"
        else:
            time.sleep(3)
            assert snapshots(cloud) == 0


def test_a_start_lifts_what_a_power_cut_left_and_a_stop_leaves_nothing(cloud: Installation):
    cloud.set("maintenance", settle_seconds=60)
    units = scheduled(cloud)
    with cloud.started("backup") as process:
        wait_for(lambda: is_frozen(cloud), "the window")
        process.kill()
        kill_guardians(cloud.state_dir)
    assert is_frozen(cloud)
    with running_systemd(cloud.folder, units) as systemd:
        wait_for(lambda: not is_frozen(cloud), "the lifting at the start")
        wait_for(
            lambda: systemd.show("ocsnap-unlock.service", "ActiveState") == "inactive", "its end"
        )
        assert systemd.show("ocsnap-unlock.service", "Result") == "success"
        systemd.ctl("start", "--no-block", SERVICE)
        wait_for(lambda: is_frozen(cloud), "the window of the second one")
        systemd.ctl("stop", SERVICE)
        assert not is_frozen(cloud)
    assert not (cloud.state_dir / "maintenance.lease").exists()

"""Runs that end before their time: ownCloud is open again, and nothing is stored twice."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.cli.state import State, differing
from tests.owncloud.guardians import guardian_pids, kill_guardians

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.installation import Installation

LONG_BYTES = 60 << 20
WAIT_SECONDS = 40


def wait_until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not true():
        assert time.monotonic() < end, f"{what}: never came"
        time.sleep(0.01)


def is_frozen(installation: Installation) -> bool:
    return b"'maintenance' => true" in installation.site.config_path.read_bytes()


def begun_to_store(installation: Installation) -> bool:
    packs = installation.repository / "packs"
    return packs.is_dir() and any(path.is_file() for path in packs.rglob("*"))


@pytest.fixture
def busy(installation: Installation) -> Installation:
    """Give a backup a while to do, both before the window and in it."""
    (installation.site.homes["alice"] / "files" / "film.bin").write_bytes(os.urandom(LONG_BYTES))
    installation.set("maintenance", settle_seconds=20)
    return installation


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_inside_the_window(busy: Installation, number: signal.Signals):
    before = State.of(busy.site)
    with busy.started("--json", "backup") as process:
        wait_until(lambda: is_frozen(busy), "the window")
        process.send_signal(number)
        out, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130
    assert '"interrupted"' in out
    assert "Traceback" not in err
    _assert_open_again(busy, before)
    assert busy.json("snapshots") == {"snapshots": []}
    busy.set("maintenance", settle_seconds=0)
    report = busy.json("backup")
    assert report["put_bytes"] < LONG_BYTES / 20, "it was uploaded already"
    assert report["statistics"]["errors"] == 0
    assert busy.json("verify", "--read-data")["sound"]


def test_before_the_window(busy: Installation):
    before = State.of(busy.site)
    with busy.started("backup") as process:
        wait_until(lambda: begun_to_store(busy), "the first pack")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "ocsnap: Interrupted."
    assert State.of(busy.site) == before
    busy.set("maintenance", settle_seconds=0)
    busy.json("backup")
    assert busy.json("verify", "--read-data")["sound"]


def test_the_end_of_the_terminal_under_nohup_ends_nothing(installation: Installation):
    installation.set("maintenance", settle_seconds=1)
    ignored = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with installation.started("--json", "backup") as process:
            wait_until(lambda: is_frozen(installation), "the window")
            process.send_signal(signal.SIGHUP)
            process.communicate(timeout=WAIT_SECONDS)
    finally:
        signal.signal(signal.SIGHUP, ignored)
    assert process.returncode == 0


def test_killed_inside_the_window_then_unlocked(busy: Installation):
    before = State.of(busy.site)
    _kill_inside(busy)
    told = busy.run("unlock")
    assert told.status == 0, told
    _assert_open_again(busy, before)
    assert busy.run("unlock").out == "No ocsnap has left maintenance mode on.\n"


def test_killed_inside_the_window_then_backed_up(busy: Installation):
    before = State.of(busy.site)
    _kill_inside(busy)
    busy.set("maintenance", settle_seconds=0)
    report = busy.json("backup")
    assert report["window"]["found_on"] is False
    _assert_open_again(busy, before)
    target = busy.folder / "out"
    busy.json("restore", "--target", target)
    stored = (target / "config" / "config.php").read_bytes()
    assert b"'maintenance' => true" not in stored, "nobody but ocsnap had turned it on"


@pytest.mark.parametrize("command", ["unlock", "backup"])
def test_killed_together_with_the_guardian(busy: Installation, command: str):
    """Nobody is left to lift it: the next start does, whichever it is."""
    before = State.of(busy.site)
    _kill_inside(busy, lambda: kill_guardians(busy.state_dir))
    assert is_frozen(busy)
    assert (busy.state_dir / "maintenance.lease").exists()
    busy.set("maintenance", settle_seconds=0)
    told = busy.run(command)
    assert told.status == 0, told
    _assert_open_again(busy, before)
    if command == "backup":
        assert busy.json("verify", "--read-data")["sound"]


def test_an_overlay_that_keeps_owncloud_running_is_found_out(installation: Installation):
    before = State.of(installation.site)
    overlay = installation.site.overlay("zz", maintenance=False)
    told = installation.run("backup")
    assert told.status == 5, told
    assert "config/zz.config.php" in told.err
    overlay.unlink()
    _assert_open_again(installation, before)
    assert installation.json("snapshots") == {"snapshots": []}


def test_a_variable_that_keeps_owncloud_running_is_found_out(installation: Installation):
    """One that only occ's own environment has, as with a wrapper for a container."""
    before = State.of(installation.site)
    occ = ["env", "OC_maintenance=0", "php", str(installation.site.root / "occ")]
    installation.set("owncloud", occ=occ)
    told = installation.run("backup")
    assert told.status == 5, told
    assert "OC_maintenance" in told.err
    _assert_open_again(installation, before)


@pytest.mark.parametrize("broken", [b"", b"<?php\n$CONFIG = array (\n  'instanceid' => 'oc1b"])
def test_killed_with_config_php_cut_short(busy: Installation, broken: bytes):
    """A disk that was full, and a process that died of it."""
    before = State.of(busy.site)
    _kill_inside(busy, lambda: busy.site.config_path.write_bytes(broken))
    busy.set("maintenance", settle_seconds=0)
    assert busy.run("backup").status == 0
    _assert_open_again(busy, before)


def test_a_restore_that_is_interrupted_leaves_all_as_it_was(busy: Installation):
    busy.set("maintenance", settle_seconds=0)
    busy.json("backup")
    busy.site.mutate(5)
    before = State.of(busy.site)
    busy.set("maintenance", settle_seconds=20)
    with busy.started("restore", "--yes") as process:
        wait_until(lambda: is_frozen(busy), "the window")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130
    _assert_open_again(busy, before)
    assert _leftovers(busy) == []
    busy.set("maintenance", settle_seconds=0)
    busy.json("restore", "--yes")


def test_a_restore_after_a_run_that_died_in_the_window(busy: Installation):
    """The lease of the dead run must not stop the restore of what it has left broken."""
    busy.set("maintenance", settle_seconds=0)
    wanted = State.of(busy.site)
    busy.json("backup")
    busy.set("maintenance", settle_seconds=20)
    _kill_inside(busy)
    busy.site.config_path.unlink()
    for path in busy.site.data_dir.iterdir():
        path.rename(busy.folder / path.name)
    busy.set("maintenance", settle_seconds=0)
    busy.json("restore", "--yes", "--no-fingerprint")
    now = State.of(busy.site)
    assert now.config == wanted.config
    assert differing(now.files, wanted.files) == {}
    assert now.rows == wanted.rows


def _kill_inside(installation: Installation, act: Callable[[], object] = tuple) -> None:
    """Let a backup die in its window, after something else has happened there."""
    with installation.started("backup") as process:
        wait_until(lambda: is_frozen(installation), "the window")
        wait_until(lambda: bool(guardian_pids(installation.state_dir)), "the guardian")
        act()
        process.kill()
        process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == -signal.SIGKILL


def _assert_open_again(installation: Installation, before: State) -> None:
    assert not is_frozen(installation)
    now = State.of(installation.site)
    assert differing(now.files, before.files) == {}
    assert now.rows == before.rows
    for name in ("maintenance.lease", "config.php.kept"):
        assert not (installation.state_dir / name).exists()
    assert _leftovers(installation) == []


def _leftovers(installation: Installation) -> list[str]:
    site = installation.site
    folders = (site.data_dir.parent, site.root, site.config_path.parent, installation.state_dir)
    names = [path.name for folder in folders for path in folder.iterdir()]
    return [name for name in names if name.startswith((".ocsnap", "restore-"))]

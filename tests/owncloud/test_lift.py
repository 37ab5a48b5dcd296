from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from ocsnap.clock import SystemClock
from ocsnap.errors import BusyError, LocalIOError, MaintenanceLeftOnError, OwncloudError
from ocsnap.monitor import SilentMonitor
from ocsnap.owncloud.config_php import read_single
from ocsnap.owncloud.durable_file import write_durably
from ocsnap.owncloud.kept_config import COPY_NAME, SPARE_NAME, KeptConfig
from ocsnap.owncloud.lease import LEASE_NAME, Lease, read_lease, write_lease
from ocsnap.owncloud.lift import Lifter, Means, lift
from ocsnap.owncloud.occ import Occ
from ocsnap.process import process_start
from tests.owncloud.test_maintenance import assert_thawed, build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.owncloud.conftest import Parts

REPOSITORY = Path(__file__).parents[2]
BROKEN_OCC = ("/no/such/php", "occ")


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def kept(parts: Parts, state_dir: Path) -> KeptConfig:
    """What is kept of an ownCloud that is in maintenance now."""
    kept = KeptConfig.keep(parts.site.config_path, state_dir, SilentMonitor())
    parts.occ.set_maintenance(on=True)
    return kept


def lifter(parts: Parts, kept: KeptConfig, *, php: str = "php", occ: Occ | None = None) -> Lifter:
    return Lifter(kept, occ or parts.occ, parts.site.root, php, SilentMonitor())


def lifted(lifter: Lifter) -> Means:
    return lifter.prove(lifter.turn_off())


def abandoned(parts: Parts, state_dir: Path) -> None:
    """Let a process freeze the ownCloud, and all power go."""
    program = f"""
        import os, signal
        from pathlib import Path
        from ocsnap.monitor import SilentMonitor
        from tests.owncloud.conftest import Parts
        from tests.owncloud.guardians import kill_guardians
        from tests.owncloud.test_maintenance import build
        from tests.servers.owncloud_site import Site
        root = Path({str(parts.site.root)!r})
        site = Site(root, root / "data", root / "data" / "owncloud.db", "oc_", (), {{}})
        state_dir = Path({str(state_dir)!r})
        with build(Parts.of(site), state_dir, SilentMonitor()).freeze():
            kill_guardians(state_dir)
            os.kill(os.getpid(), signal.SIGKILL)
        """
    outcome = subprocess.run(
        (sys.executable, "-c", textwrap.dedent(program)), cwd=REPOSITORY, check=False
    )
    assert outcome.returncode == -signal.SIGKILL
    assert parts.occ.maintenance()


def test_a_dead_process_is_found_and_its_maintenance_lifted(parts: Parts, state_dir: Path):
    abandoned(parts, state_dir)
    monitor = SilentMonitor()
    assert lift(state_dir, clock=SystemClock(), monitor=monitor) is Means.OCC
    assert "died" in monitor.notes[0]
    assert_thawed(parts, state_dir)
    assert lift(state_dir, clock=SystemClock(), monitor=monitor) is None


def test_the_next_freeze_lifts_what_a_dead_process_left(parts: Parts, state_dir: Path):
    abandoned(parts, state_dir)
    with build(parts, state_dir, SilentMonitor()).freeze() as freeze:
        assert not freeze.found_on
        assert parts.occ.maintenance()
    assert_thawed(parts, state_dir)


def test_a_dead_process_and_a_config_cut_by_a_full_disk(parts: Parts, state_dir: Path):
    abandoned(parts, state_dir)
    whole = (state_dir / COPY_NAME).read_bytes()
    parts.site.config_path.write_bytes(whole[:100])
    assert lift(state_dir, clock=SystemClock(), monitor=SilentMonitor()) is Means.COPY
    assert parts.site.config_path.read_bytes() == whole
    assert_thawed(parts, state_dir)


def test_a_lease_whose_maintenance_never_began(parts: Parts, state_dir: Path, kept: KeptConfig):
    parts.occ.set_maintenance(on=False)
    write_lease(state_dir, a_lease(parts, kept, pid=0))
    assert lift(state_dir, clock=SystemClock(), monitor=SilentMonitor()) is Means.OCC
    assert_thawed(parts, state_dir)


def a_lease(parts: Parts, kept: KeptConfig, *, pid: int, start: str = "") -> Lease:
    return Lease(
        pid=pid,
        process_start=start,
        started_at=0.0,
        root=str(parts.site.root),
        config_path=str(kept.config_path),
        copy=str(kept.copy),
        spare=str(kept.spare),
        uid=kept.uid,
        gid=kept.gid,
        mode=kept.mode,
        occ=parts.occ.command,
        php="php",
    )


def test_a_living_process_is_left_alone(parts: Parts, state_dir: Path, kept: KeptConfig):
    start = process_start(os.getpid())
    assert start
    write_lease(state_dir, a_lease(parts, kept, pid=os.getpid(), start=start))
    with pytest.raises(BusyError, match=str(os.getpid())):
        lift(state_dir, clock=SystemClock(), monitor=SilentMonitor())
    assert parts.occ.maintenance()


def test_a_later_process_of_the_same_number_is_not_the_holder(
    parts: Parts, state_dir: Path, kept: KeptConfig
):
    write_lease(state_dir, a_lease(parts, kept, pid=os.getpid(), start="another boot 12"))
    assert lift(state_dir, clock=SystemClock(), monitor=SilentMonitor()) is Means.OCC
    assert_thawed(parts, state_dir)


def test_a_process_that_has_ended_but_was_not_waited_for_is_dead():
    with subprocess.Popen(("true",)) as process:
        deadline = time.monotonic() + 10
        while process_start(process.pid) is not None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert Path(f"/proc/{process.pid}").exists()


@pytest.mark.parametrize("damage", [b"", b"{", b'{"pid": 1}', b"\x00" * 100])
def test_a_damaged_lease_is_told_not_ignored(state_dir: Path, damage: bytes):
    state_dir.mkdir()
    (state_dir / LEASE_NAME).write_bytes(damage)
    with pytest.raises(MaintenanceLeftOnError, match="is damaged") as caught:
        lift(state_dir, clock=SystemClock(), monitor=SilentMonitor())
    assert "maintenance:mode --off" in caught.value.hint


def test_a_lease_that_cannot_be_read_or_written(parts: Parts, state_dir: Path, kept: KeptConfig):
    (state_dir / LEASE_NAME).mkdir()
    with pytest.raises(LocalIOError):
        read_lease(state_dir)
    with pytest.raises(LocalIOError):
        write_lease(state_dir, a_lease(parts, kept, pid=1))


def test_the_lease_comes_back_as_it_was_written(parts: Parts, state_dir: Path, kept: KeptConfig):
    lease = a_lease(parts, kept, pid=7, start="x")
    write_lease(state_dir, lease)
    assert read_lease(state_dir) == lease
    assert (state_dir / LEASE_NAME).stat().st_mode & 0o777 == 0o600
    assert msgspec.json.decode((state_dir / LEASE_NAME).read_bytes())["pid"] == 7


def test_what_failed_once_can_be_tried_again(parts: Parts, state_dir: Path, kept: KeptConfig):
    write_lease(state_dir, a_lease(parts, kept, pid=0))
    overlay = parts.site.overlay("late", maintenance=True)
    with pytest.raises(MaintenanceLeftOnError):
        lift(state_dir, clock=SystemClock(), monitor=SilentMonitor())
    overlay.unlink()
    assert lift(state_dir, clock=SystemClock(), monitor=SilentMonitor()) is Means.OCC
    assert_thawed(parts, state_dir)


@pytest.mark.parametrize("php", ["php", "/no/such/php"])
def test_without_occ_config_itself_is_edited(parts: Parts, kept: KeptConfig, php: str):
    occ = Occ(BROKEN_OCC, parts.site.root)
    assert lifted(lifter(parts, kept, php=php, occ=occ)) is Means.EDIT
    assert not parts.occ.maintenance()
    settings = read_single(parts.site.config_path, php="php")
    assert settings.pop("maintenance") is False
    assert settings == read_single(kept.copy, php="php")


@pytest.mark.parametrize(
    "line",
    [
        "'maintenance' => true",
        '"maintenance"=>TRUE',
        "'maintenance'   =>\n 1",
        "'maintenance' => 'yes'",
    ],
)
def test_the_line_is_found_however_it_is_written(parts: Parts, kept: KeptConfig, line: str):
    decoy = "'note' => 'maintenance => true', 'maintenance.why' => 'x'"
    parts.site.config_path.write_text(
        f"<?php\n$CONFIG = ['installed' => true, {decoy}, {line}, 'z' => 'maintenance'];\n"
    )
    occ = Occ(BROKEN_OCC, parts.site.root)
    assert lifted(lifter(parts, kept, occ=occ)) is Means.EDIT
    assert read_single(parts.site.config_path, php="php") == {
        "installed": True,
        "note": "maintenance => true",
        "maintenance.why": "x",
        "maintenance": False,
        "z": "maintenance",
    }


@pytest.mark.parametrize(
    "line",
    ["'maint' . 'enance' => true", "'maintenance' => !false", "'a' => ['maintenance' => true]"],
)
def test_what_cannot_be_edited_is_put_back(parts: Parts, kept: KeptConfig, line: str):
    parts.site.config_path.write_text(
        f"<?php\n$CONFIG = ['installed' => true, {line}];\n$CONFIG['maintenance'] = (bool)1;\n"
    )
    whole = kept.copy.read_bytes()
    assert lifted(lifter(parts, kept, occ=Occ(BROKEN_OCC, parts.site.root))) is Means.COPY
    assert parts.site.config_path.read_bytes() == whole


def test_a_spare_that_was_tampered_with_is_not_used(parts: Parts, kept: KeptConfig):
    assert kept.spare
    whole = kept.copy.read_bytes()
    kept.spare.write_text("<?php system('id');")
    parts.site.config_path.write_bytes(b"")
    kept.put_back()
    assert parts.site.config_path.read_bytes() == whole


def test_a_spare_that_became_a_link_is_not_followed(parts: Parts, kept: KeptConfig, tmp_path: Path):
    assert kept.spare
    whole = kept.copy.read_bytes()
    (tmp_path / "elsewhere").write_bytes(whole)
    kept.spare.unlink()
    kept.spare.symlink_to(tmp_path / "elsewhere")
    kept.put_back()
    assert not parts.site.config_path.is_symlink()
    assert parts.site.config_path.read_bytes() == whole


def test_without_a_spare_the_copy_is_put_back(parts: Parts, kept: KeptConfig):
    whole = kept.copy.read_bytes()
    parts.site.config_path.write_bytes(b"cut")
    replace(kept, spare=None).put_back()
    assert parts.site.config_path.read_bytes() == whole
    assert parts.site.config_path.stat().st_mode & 0o777 == 0o640


def test_without_any_copy_the_way_out_is_told(parts: Parts, kept: KeptConfig):
    kept.discard()
    parts.site.config_path.write_bytes(b"<?php cut")
    with pytest.raises(MaintenanceLeftOnError, match="locked out") as caught:
        lifted(lifter(parts, kept))
    assert "by hand" in caught.value.hint


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    command = ("mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(folder))
    if os.geteuid() != 0 or subprocess.run(command, check=False).returncode:
        pytest.skip("a full disk needs the right to mount one")
    yield folder
    subprocess.run(("umount", str(folder)), check=True)


def fill(folder: Path) -> None:
    with (folder / "ballast").open("wb", buffering=0) as file:
        for _ in range(1000):
            try:
                file.write(bytes(512))
            except OSError:
                return
    pytest.fail("the disk is too large for this test")


def test_a_spare_is_put_back_on_a_disk_that_is_really_full(
    small_disk: Path, state_dir: Path, parts: Parts
):
    config = small_disk / "config.php"
    shutil.copy2(parts.site.config_path, config)
    kept = KeptConfig.keep(config, state_dir, SilentMonitor())
    whole = config.read_bytes()
    config.write_bytes(b"")
    fill(small_disk)
    with pytest.raises(OSError, match="space"):
        write_durably(config, whole, mode=0o640)
    assert config.read_bytes() == b""
    kept.put_back()
    assert config.read_bytes() == whole


def test_a_full_disk_is_found_out_before_anything_changes(
    small_disk: Path, state_dir: Path, parts: Parts
):
    config = small_disk / "config.php"
    shutil.copy2(parts.site.config_path, config)
    fill(small_disk)
    with pytest.raises(OwncloudError, match="the disk is full"):
        KeptConfig.keep(config, state_dir, SilentMonitor())
    assert not (state_dir / COPY_NAME).exists()
    assert {path.name for path in small_disk.iterdir()} == {"config.php", "ballast"}


def test_a_config_that_is_a_mount_of_its_own_is_overwritten(
    small_disk: Path, state_dir: Path, parts: Parts
):
    # As in a container that mounts config.php alone: it cannot be replaced by another file.
    shutil.copy2(parts.site.config_path, small_disk / "config.php")
    target = parts.site.config_path
    subprocess.run(("mount", "--bind", small_disk / "config.php", target), check=True)
    try:
        kept = KeptConfig.keep(target, state_dir, SilentMonitor())
        whole = target.read_bytes()
        target.write_bytes(b"<?php // longer than what follows" + b"x" * 5000)
        kept.put_back()
        assert target.read_bytes() == whole
    finally:
        subprocess.run(("umount", target), check=True)


def test_a_folder_that_takes_no_spare_is_noted(parts: Parts, state_dir: Path):
    spare = parts.site.config_path.with_name(SPARE_NAME)
    spare.mkdir()
    monitor = SilentMonitor()
    kept = KeptConfig.keep(parts.site.config_path, state_dir, monitor)
    assert kept.spare is None
    assert "no spare copy" in monitor.notes[0]
    spare.rmdir()


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    target = tmp_path / "folder"
    target.mkdir()
    with pytest.raises(OSError, match="directory"):
        write_durably(target, b"x", mode=0o600)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]

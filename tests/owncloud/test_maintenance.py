from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from ocsnap.clock import SystemClock
from ocsnap.errors import BusyError, LocalIOError, MaintenanceLeftOnError, OwncloudError
from ocsnap.monitor import SilentMonitor
from ocsnap.owncloud.command import DEFAULT_ENVIRONMENT
from ocsnap.owncloud.config_php import read_config_php, read_single
from ocsnap.owncloud.kept_config import COPY_NAME, SPARE_NAME
from ocsnap.owncloud.lease import LEASE_NAME, read_lease
from ocsnap.owncloud.lift import Means
from ocsnap.owncloud.maintenance import FreezeOptions, Maintenance
from ocsnap.owncloud.occ import Occ
from ocsnap.owncloud.opcode_cache import OpcodeCache
from ocsnap.owncloud.web_server import WebServer
from tests.owncloud.clock import StillClock
from tests.owncloud.conftest import Parts
from tests.owncloud.guardians import kill_guardians
from tests.servers.database_server import free_port
from tests.servers.owncloud_site import make_site
from tests.servers.owncloud_web import running_web

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ocsnap.clock import Clock
    from tests.servers.mariadb import DatabaseServer
    from tests.servers.owncloud_database import MysqlLogin

AT_ONCE = FreezeOptions(settle_seconds=0.0, drain_seconds=0.0, web_seconds=5.0)


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ocsnap"


@pytest.fixture
def monitor() -> SilentMonitor:
    return SilentMonitor()


@pytest.fixture
def maintenance(parts: Parts, state_dir: Path, monitor: SilentMonitor) -> Maintenance:
    return build(parts, state_dir, monitor)


def build(
    parts: Parts,
    state_dir: Path,
    monitor: SilentMonitor,
    *,
    occ: Occ | None = None,
    web: WebServer | None = None,
) -> Maintenance:
    return Maintenance(
        parts.instance,
        occ or parts.occ,
        state_dir=state_dir,
        clock=SystemClock(),
        monitor=monitor,
        options=AT_ONCE,
        web=web,
    )


def patient(
    parts: Parts, state_dir: Path, clock: Clock, open_locks: Callable[[], Sequence[str]]
) -> Maintenance:
    return Maintenance(
        parts.instance,
        parts.occ,
        state_dir=state_dir,
        clock=clock,
        monitor=SilentMonitor(),
        open_locks=open_locks,
    )


def assert_thawed(parts: Parts, state_dir: Path) -> None:
    """Nothing may be left: not the mode, not the lease, not a copy with secrets in it."""
    assert not parts.occ.maintenance()
    assert not read_single(parts.site.config_path, php="php").get("maintenance")
    assert not (state_dir / LEASE_NAME).exists()
    assert not (state_dir / COPY_NAME).exists()
    left = {path.name for path in parts.site.config_path.parent.iterdir()}
    assert not [name for name in left if "ocsnap" in name]


def test_frozen_inside_and_thawed_outside(
    parts: Parts, maintenance: Maintenance, state_dir: Path, monitor: SilentMonitor
):
    before = parts.site.config_path.read_bytes()
    with maintenance.freeze() as freeze:
        assert parts.occ.maintenance()
        copy = state_dir / COPY_NAME
        assert copy.read_bytes() == before
        assert copy.stat().st_mode & 0o777 == 0o600
        assert (parts.site.config_path.with_name(SPARE_NAME)).read_bytes() == before
        lease = read_lease(state_dir)
        assert lease
        assert (lease.pid, lease.root) == (os.getpid(), str(parts.site.root))
        assert lease.is_alive()
    assert_thawed(parts, state_dir)
    assert parts.site.config_path.stat().st_mode & 0o777 == 0o640
    assert freeze.lifted_by is Means.OCC
    assert freeze.on_seconds > 0
    assert freeze.off_seconds > 0
    assert freeze.frozen_seconds > freeze.on_seconds + freeze.off_seconds
    assert monitor.notes == []


def test_a_spare_copy_is_no_overlay_and_shows_nothing(parts: Parts, maintenance: Maintenance):
    with maintenance.freeze():
        assert read_config_php(parts.site.root, php="php")["maintenance"] is True
        with running_web(parts.site.root) as url:
            web = WebServer(url)
            status, body = web._get(f"/config/{SPARE_NAME}")
    assert (status, body) == (200, b"")


def test_freezing_twice_in_a_row(parts: Parts, maintenance: Maintenance, state_dir: Path):
    for _ in range(2):
        with maintenance.freeze():
            assert parts.occ.maintenance()
        assert_thawed(parts, state_dir)


def test_an_instance_found_in_maintenance_is_left_so(
    parts: Parts, maintenance: Maintenance, state_dir: Path
):
    parts.occ.set_maintenance(on=True)
    with maintenance.freeze() as freeze:
        assert freeze.found_on
        assert not (state_dir / LEASE_NAME).exists()
    assert parts.occ.maintenance()
    assert freeze.lifted_by is None
    assert freeze.off_seconds == 0


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, MemoryError])
def test_thawed_whatever_passes(
    parts: Parts, maintenance: Maintenance, state_dir: Path, error: type[BaseException]
):
    def work() -> None:
        with maintenance.freeze():
            assert parts.occ.maintenance()
            raise error

    with pytest.raises(error):
        work()
    assert_thawed(parts, state_dir)


def test_ctrl_c_while_occ_turns_it_on(parts: Parts, maintenance: Maintenance, state_dir: Path):
    # occ is made to send the signal itself, in the middle of --on.
    occ_file = parts.site.root / "occ"
    shot = f"posix_kill({os.getpid()}, {int(signal.SIGINT)})"
    occ_file.write_text(
        occ_file.read_text().replace(
            "$config->set('maintenance', true);", f"{shot}; $config->set('maintenance', true);"
        )
    )
    with pytest.raises(KeyboardInterrupt), maintenance.freeze():
        pytest.fail("the block must not begin")
    assert_thawed(parts, state_dir)


def test_ctrl_c_while_it_is_lifted(parts: Parts, maintenance: Maintenance, state_dir: Path):
    occ_file = parts.site.root / "occ"
    shot = f"posix_kill({os.getpid()}, {int(signal.SIGINT)})"
    original = "$config->set('maintenance', false);"
    changed = occ_file.read_text().replace(original, f"{shot}; {original}")
    with pytest.raises(KeyboardInterrupt), maintenance.freeze():
        occ_file.write_text(changed)
    assert shot in occ_file.read_text()
    assert_thawed(parts, state_dir)


def test_an_overlay_that_defeats_it_is_found_out(
    parts: Parts, maintenance: Maintenance, state_dir: Path
):
    overlay = parts.site.overlay("zz", maintenance=False)
    with pytest.raises(OwncloudError, match=r"zz\.config\.php"), maintenance.freeze():
        pytest.fail("nothing may go on")
    assert_thawed(parts, state_dir)
    overlay.unlink()
    assert not parts.occ.maintenance()  # and the cloud is not frozen when the overlay goes


def test_a_variable_that_defeats_it_is_found_out(
    parts: Parts, state_dir: Path, monitor: SilentMonitor
):
    occ = Occ(parts.occ.command, parts.site.root, {**DEFAULT_ENVIRONMENT, "OC_maintenance": "0"})
    maintenance = build(parts, state_dir, monitor, occ=occ)
    with pytest.raises(OwncloudError, match="OC_maintenance"), maintenance.freeze():
        pytest.fail("nothing may go on")
    assert_thawed(parts, state_dir)


@pytest.mark.parametrize("bytes_left", ["0", "200"])
def test_a_disk_full_when_it_is_turned_on(
    parts: Parts, maintenance: Maintenance, state_dir: Path, bytes_left: str
):
    before = parts.site.config_path.read_bytes()
    with (
        parts.site.fault("disk-full", bytes_left),
        pytest.raises(OwncloudError),
        maintenance.freeze(),
    ):
        pytest.fail("nothing may go on")
    assert parts.site.config_path.read_bytes() == before
    assert_thawed(parts, state_dir)


@pytest.mark.parametrize("bytes_left", ["0", "200"])
def test_a_disk_full_when_it_is_lifted(
    parts: Parts,
    maintenance: Maintenance,
    state_dir: Path,
    monitor: SilentMonitor,
    bytes_left: str,
):
    before = parts.site.config_path.read_bytes()
    with maintenance.freeze() as freeze:
        parts.site.set_fault("disk-full", bytes_left)
    assert freeze.lifted_by is Means.COPY
    assert parts.site.config_path.read_bytes() == before
    assert parts.site.config_path.stat().st_mode & 0o777 == 0o640
    assert any("config.php is broken" in note for note in monitor.notes)
    assert_thawed(parts, state_dir)


def test_the_database_goes_down_meanwhile(
    parts: Parts, maintenance: Maintenance, state_dir: Path, monitor: SilentMonitor
):
    with maintenance.freeze() as freeze:
        parts.site.set_fault("database-down")
    assert freeze.lifted_by is Means.EDIT
    assert any("Failed to connect to the database" in note for note in monitor.notes)
    (parts.site.root / "faults" / "database-down").unlink()
    assert_thawed(parts, state_dir)
    assert parts.site.config_path.stat().st_mode & 0o777 == 0o640


def test_a_real_database_is_dropped_meanwhile(
    tmp_path: Path, state_dir: Path, mysql_login: MysqlLogin, mariadb: DatabaseServer
):
    site = make_site(tmp_path, dbtype="mysql", mysql=mysql_login, files_per_user=1)
    parts = Parts.of(site)
    with build(parts, state_dir, SilentMonitor()).freeze() as freeze:
        assert parts.occ.maintenance()
        mariadb.run(None, f"DROP DATABASE `{mysql_login.name}`")
    assert freeze.lifted_by is Means.EDIT
    assert not read_config_php(site.root, php="php")["maintenance"]


def test_occ_disappears_meanwhile(parts: Parts, maintenance: Maintenance):
    with maintenance.freeze() as freeze:
        (parts.site.root / "occ").unlink()
    assert freeze.lifted_by is Means.EDIT
    assert not read_config_php(parts.site.root, php="php")["maintenance"]


def test_nothing_lifts_it(parts: Parts, maintenance: Maintenance, state_dir: Path):
    overlay = parts.site.root / "config" / "late.config.php"
    with pytest.raises(MaintenanceLeftOnError) as caught, maintenance.freeze():
        overlay.write_text("<?php $CONFIG = ['maintenance' => true];")
    assert caught.value.exit_status == 16
    assert "users are locked out" in caught.value.message
    assert "late.config.php" in caught.value.message
    assert str(parts.site.config_path) in caught.value.hint
    assert (state_dir / LEASE_NAME).exists()
    assert (state_dir / COPY_NAME).exists()
    kill_guardians(state_dir)


def test_an_error_inside_does_not_hide_that_it_is_left_on(
    parts: Parts, maintenance: Maintenance, state_dir: Path
):
    def work() -> None:
        with maintenance.freeze():
            parts.site.overlay("late", maintenance=True)
            raise ValueError

    with pytest.raises(MaintenanceLeftOnError):
        work()
    kill_guardians(state_dir)


def test_a_read_only_config_stops_it_before_anything_changes(
    parts: Parts, maintenance: Maintenance, state_dir: Path
):
    parts.site.overlay("ro", config_is_read_only=True)
    before = parts.site.config_path.read_bytes()
    with pytest.raises(OwncloudError, match="read-only"), maintenance.freeze():
        pytest.fail("nothing may go on")
    assert parts.site.config_path.read_bytes() == before
    assert_thawed(parts, state_dir)


def test_a_broken_config_is_not_kept_as_a_copy(
    parts: Parts, maintenance: Maintenance, state_dir: Path
):
    with parts.site.config_path.open("ab") as file:
        file.write(b"this is no PHP")
    with pytest.raises(OwncloudError), maintenance.freeze():
        pytest.fail("nothing may go on")
    assert not (state_dir / COPY_NAME).exists()


def test_a_state_dir_that_cannot_be_written(parts: Parts, tmp_path: Path):
    (tmp_path / "file").touch()
    maintenance = build(parts, tmp_path / "file" / "state", SilentMonitor())
    with pytest.raises(LocalIOError, match="file/state"), maintenance.freeze():
        pytest.fail("nothing may go on")
    assert not parts.occ.maintenance()


def test_another_ocsnap_holds_it(parts: Parts, maintenance: Maintenance):
    with maintenance.freeze():
        with pytest.raises(BusyError, match=str(os.getpid())), maintenance.freeze():
            pytest.fail("nothing may go on")
        assert parts.occ.maintenance()
    assert not parts.occ.maintenance()


def test_it_waits_for_the_opcode_cache(parts: Parts, state_dir: Path):
    clock = StillClock()
    seconds = OpcodeCache.find(parts.site.root).settled_at(clock.now()) - clock.now()
    with patient(parts, state_dir, clock, tuple).freeze() as freeze:
        clock.sleep(10)
    assert freeze.settle_seconds == pytest.approx(seconds)
    assert freeze.work_seconds == pytest.approx(10)
    assert freeze.frozen_seconds == pytest.approx(10 + seconds)


def test_it_waits_for_open_uploads(parts: Parts, state_dir: Path):
    answers = iter([["a", "b"], ["a"], []])
    with patient(parts, state_dir, StillClock(), lambda: next(answers)).freeze() as freeze:
        assert freeze.open_uploads == ()
        assert freeze.drain_seconds == pytest.approx(0.5)


def test_it_does_not_wait_for_ever(parts: Parts, state_dir: Path):
    with patient(parts, state_dir, StillClock(), lambda: ["stuck"]).freeze() as freeze:
        assert freeze.open_uploads == ("stuck",)
        assert freeze.drain_seconds == pytest.approx(30)


def test_a_failing_question_for_uploads_lifts_it_again(parts: Parts, state_dir: Path):
    def fail() -> list[str]:
        raise ZeroDivisionError

    with (
        pytest.raises(ZeroDivisionError),
        patient(parts, state_dir, StillClock(), fail).freeze(),
    ):
        pytest.fail("nothing may go on")
    assert_thawed(parts, state_dir)


def test_a_real_opcode_cache_is_waited_for(parts: Parts, state_dir: Path):
    os.utime(parts.site.config_path, (1_600_000_000, 1_600_000_000))
    with running_web(parts.site.root, opcache_seconds=2) as url:
        web = WebServer(url)
        assert not web.in_maintenance()  # config.php is in the cache now
        with build(parts, state_dir, SilentMonitor(), web=web).freeze() as freeze:
            assert web.in_maintenance()
    assert freeze.settle_seconds > 0.5
    assert_thawed(parts, state_dir)


def test_a_web_server_that_never_freezes_stops_it(parts: Parts, state_dir: Path, tmp_path: Path):
    other = make_site(tmp_path / "other", files_per_user=1)
    with running_web(other.root) as url:
        maintenance = Maintenance(
            parts.instance,
            parts.occ,
            state_dir=state_dir,
            clock=StillClock(),
            monitor=SilentMonitor(),
            web=WebServer(url),
        )
        with (
            pytest.raises(OwncloudError, match="does not notice") as caught,
            maintenance.freeze(),
        ):
            pytest.fail("nothing may go on")
    assert "opcache.validate_timestamps" in caught.value.hint
    assert_thawed(parts, state_dir)


def test_a_web_server_that_is_down_stops_it_before_anything_changes(parts: Parts, state_dir: Path):
    before = parts.site.config_path.read_bytes()
    web = WebServer(f"http://127.0.0.1:{free_port()}")
    maintenance = build(parts, state_dir, SilentMonitor(), web=web)
    with pytest.raises(OwncloudError, match="cannot be asked"), maintenance.freeze():
        pytest.fail("nothing may go on")
    assert parts.site.config_path.read_bytes() == before


def test_the_old_owncloud_too(tmp_path: Path, state_dir: Path):
    parts = Parts.of(make_site(tmp_path, version="9.1.8", files_per_user=1))
    with build(parts, state_dir, SilentMonitor()).freeze():
        assert parts.occ.maintenance()
    assert_thawed(parts, state_dir)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_freezes_the_owncloud_of_another_user(public_folder: Path, state_dir: Path):
    site = make_site(public_folder, files_per_user=1, owner=(33, 33))
    parts = Parts.of(site)
    with build(parts, state_dir, SilentMonitor()).freeze() as freeze:
        assert parts.occ.maintenance()
        site.set_fault("disk-full", "100")
    status = site.config_path.stat()
    assert freeze.lifted_by is Means.COPY
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (33, 33, 0o640)
    assert_thawed(parts, state_dir)

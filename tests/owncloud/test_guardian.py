"""Whatever the backup dies of, and whenever: users are let in again, within seconds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from ocsnap.clock import SystemClock
from ocsnap.errors import MaintenanceLeftOnError, OwncloudError
from ocsnap.monitor import SilentMonitor
from ocsnap.owncloud import guardian
from ocsnap.owncloud.command import DEFAULT_ENVIRONMENT
from ocsnap.owncloud.guard import Guard
from ocsnap.owncloud.guardian import LOG_NAME
from ocsnap.owncloud.kept_config import COPY_NAME, KeptConfig
from ocsnap.owncloud.lease import LEASE_NAME, read_lease, write_lease
from ocsnap.owncloud.lift import lift
from ocsnap.process import process_start
from tests.owncloud.clock import StillClock
from tests.owncloud.driver import OWN_STEPS, STEPS, UNGUARDED_STEPS, Orders
from tests.owncloud.guardians import guardian_pids, kill_guardians, wait_until
from tests.owncloud.test_lift import a_lease
from tests.owncloud.test_maintenance import assert_thawed, build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.owncloud.lease import Lease
    from tests.owncloud.conftest import Parts

REPOSITORY = Path(__file__).parents[2]
MEMORY_BYTES = 200 << 20
LINE = b"'maintenance' => false, "
# Those that really turned it on, and died without a word.
FROZEN_STEPS = STEPS[1:9]


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


@contextmanager
def struck(  # noqa: PLR0913 - what varies from test to test
    parts: Parts,
    state_dir: Path,
    step: str,
    blow: str,
    *,
    catches: bool = True,
    cgroup: str = "",
    stderr: int = subprocess.DEVNULL,
    guarded: bool = True,
) -> Iterator[int]:
    """Run a backup that is struck; yield its exit status at the moment of its end."""
    orders = Orders(
        root=str(parts.site.root),
        state_dir=str(state_dir),
        step=step,
        blow=blow,
        catches=catches,
        cgroup=cgroup,
        guarded=guarded,
    )
    arguments = (sys.executable, "-m", "tests.owncloud.driver", msgspec.json.encode(orders))
    with subprocess.Popen(
        arguments, cwd=REPOSITORY, start_new_session=True, stderr=stderr
    ) as process:
        yield process.wait(30)


def assert_recovers(parts: Parts, state_dir: Path, before: bytes) -> None:
    wait_until(lambda: not (state_dir / LEASE_NAME).exists() and not guardian_pids(state_dir))
    assert_thawed(parts, state_dir)
    after = parts.site.config_path.read_bytes()
    # PHP ends some lines with a space.
    assert b" ".join(after.split()).replace(LINE, b"") == b" ".join(before.split())
    assert parts.site.config_path.stat().st_mode & 0o777 == 0o640


def assert_told(state_dir: Path, *texts: str) -> None:
    log = state_dir / LOG_NAME
    assert log.stat().st_mode & 0o777 == 0o600
    assert all(text in log.read_text() for text in texts)


@pytest.mark.parametrize("step", STEPS)
def test_killed(parts: Parts, state_dir: Path, step: str):
    before = parts.site.config_path.read_bytes()
    with struck(parts, state_dir, step, "SIGKILL") as status:
        assert status == -signal.SIGKILL
        assert_recovers(parts, state_dir, before)
    if step in FROZEN_STEPS:
        assert_told(state_dir, "left", "is out of maintenance, by occ.")


@pytest.mark.parametrize("way", ["unlock", "next backup"])
@pytest.mark.parametrize("step", UNGUARDED_STEPS)
def test_killed_before_there_is_a_guardian(parts: Parts, state_dir: Path, step: str, way: str):
    """Nothing was changed yet, so nobody is locked out meanwhile; the next run tidies up."""
    before = parts.site.config_path.read_bytes()
    with struck(parts, state_dir, step, "SIGKILL") as status:
        assert status == -signal.SIGKILL
        assert not guardian_pids(state_dir)
    assert parts.site.config_path.read_bytes() == before
    assert not parts.occ.maintenance()
    leased = step == UNGUARDED_STEPS[1]
    assert (state_dir / LEASE_NAME).exists() == leased
    if way == "unlock":
        means = lift(state_dir, clock=SystemClock(), monitor=SilentMonitor())
        assert (means is not None) == leased
        if not leased:
            return  # only the copy is left, which nobody but its owner can read
    else:
        with build(parts, state_dir, SilentMonitor()).freeze() as freeze:
            assert not freeze.found_on
    assert_recovers(parts, state_dir, before)


@pytest.mark.parametrize("step", ["during --on, before it writes", "inside"])
def test_terminated_without_a_word(parts: Parts, state_dir: Path, step: str):
    before = parts.site.config_path.read_bytes()
    with struck(parts, state_dir, step, "SIGTERM", catches=False) as status:
        assert status == -signal.SIGTERM
        assert_recovers(parts, state_dir, before)


@pytest.mark.parametrize("blow", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("step", UNGUARDED_STEPS + STEPS)
def test_interrupted(parts: Parts, state_dir: Path, step: str, blow: str):
    before = parts.site.config_path.read_bytes()
    with struck(parts, state_dir, step, blow) as status:
        assert status in {-signal.SIGINT, 1}
        # It cleaned up itself, before it ended.
        assert not (state_dir / LEASE_NAME).exists()
        assert_recovers(parts, state_dir, before)
    assert not (state_dir / LOG_NAME).exists()


@pytest.mark.parametrize("step", OWN_STEPS)
def test_an_exception(parts: Parts, state_dir: Path, step: str):
    before = parts.site.config_path.read_bytes()
    with struck(parts, state_dir, step, "exception") as status:
        assert status == 1
        assert_recovers(parts, state_dir, before)


@pytest.fixture
def memory_cgroup(tmp_path: Path) -> Iterator[Path]:
    """A control group within our own, with little memory."""
    entries = [line.split(":") for line in Path("/proc/self/cgroup").read_text().splitlines()]
    own = next((path for _, controllers, path in entries if controllers == "memory"), None)
    if own is None or os.geteuid() != 0:
        pytest.skip("there is no control group for memory to be made (cgroup v1, as root)")
    group = Path(f"/sys/fs/cgroup/memory{own}") / f"ocsnap-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(MEMORY_BYTES))
    except OSError as error:
        pytest.skip(f"a control group for memory cannot be made: {error.strerror}")
    yield group
    wait_until(lambda: not (group / "cgroup.procs").read_text())
    group.rmdir()


@pytest.mark.parametrize("step", STEPS)
def test_out_of_memory(parts: Parts, state_dir: Path, memory_cgroup: Path, step: str):
    before = parts.site.config_path.read_bytes()
    with struck(parts, state_dir, step, "memory", cgroup=str(memory_cgroup)) as status:
        assert status == -signal.SIGKILL
        assert_recovers(parts, state_dir, before)
    assert "oom_kill 1\n" in (memory_cgroup / "memory.oom_control").read_text()


@pytest.mark.parametrize("blow", ["group", "orphan"])
def test_killed_with_its_group_or_survived_by_a_child(parts: Parts, state_dir: Path, blow: str):
    before = parts.site.config_path.read_bytes()
    with struck(parts, state_dir, "inside", blow) as status:
        assert status == -signal.SIGKILL
        assert_recovers(parts, state_dir, before)


@pytest.mark.parametrize("step", STEPS[:-1])
def test_both_killed_and_lifted_by_the_next(parts: Parts, state_dir: Path, step: str):
    before = parts.site.config_path.read_bytes()
    with struck(parts, state_dir, step, "both") as status:
        assert status == -signal.SIGKILL
        assert not guardian_pids(state_dir)
    lift(state_dir, clock=SystemClock(), monitor=SilentMonitor())
    assert_recovers(parts, state_dir, before)


@pytest.fixture
def posted(parts: Parts, state_dir: Path) -> Iterator[Guard]:
    """A guardian of an ownCloud in maintenance, whose backup is dead already."""
    kept = KeptConfig.keep(parts.site.config_path, state_dir, SilentMonitor())
    parts.occ.set_maintenance(on=True)
    write_lease(state_dir, a_lease(parts, kept, pid=0))
    guard = Guard.post(state_dir, DEFAULT_ENVIRONMENT)
    yield guard
    if guard.process.poll() is None:
        guard.process.kill()
        guard.process.wait()


def let_go(guard: Guard) -> None:
    os.close(guard.rope)
    assert guard.process.wait(30) == 0


def may_spare() -> bool:
    """Return whether we may lower a process's score: CAP_SYS_RESOURCE, bit 24 (capabilities(7))."""
    status = Path("/proc/self/status").read_text()
    return bool(int(status.partition("CapEff:")[2].split()[0], 16) >> 24 & 1)


def test_it_is_hard_to_kill_and_small(posted: Guard):
    pid = posted.process.pid
    assert os.getsid(pid) == pid
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        os.kill(pid, number)
    spared = Path(f"/proc/{pid}/oom_score_adj").read_text()
    assert spared == ("-1000\n" if may_spare() else Path("/proc/self/oom_score_adj").read_text())
    status = Path(f"/proc/{pid}/status").read_text()
    own_kib = int(status.partition("RssAnon:")[2].split()[0])
    assert own_kib < 20_000
    let_go(posted)


def test_it_loads_nothing_of_what_it_does_not_need():
    program = "import ocsnap.owncloud.guardian, sys; print(*sys.modules)"
    outcome = subprocess.run((sys.executable, "-c", program), capture_output=True, check=True)
    loaded = {name.partition(".")[0] for name in outcome.stdout.decode().split()}
    strange = {"typer", "rich", "boto3", "botocore", "pymysql", "gnupg", "cffi", "zstandard", "ssl"}
    assert "msgspec" in loaded
    assert not loaded & strange


def test_it_gives_nothing_to_programs(posted: Guard):
    held = Path(f"/proc/self/fd/{posted.rope}").readlink()
    with subprocess.Popen(("sleep", "30"), close_fds=False) as program:
        folder = Path(f"/proc/{program.pid}/fd")
        assert held not in {path.readlink() for path in folder.iterdir()}
        let_go(posted)
        program.kill()


def test_a_database_that_is_down(parts: Parts, state_dir: Path, posted: Guard):
    parts.site.set_fault("database-down")
    let_go(posted)
    (parts.site.root / "faults" / "database-down").unlink()
    assert_thawed(parts, state_dir)
    assert_told(state_dir, "Failed to connect to the database", "by an edit of config.php.")


def test_an_occ_that_is_broken(parts: Parts, state_dir: Path, posted: Guard):
    occ = parts.site.root / "occ"
    program = occ.read_text()
    occ.write_text("<?php class {")
    let_go(posted)
    occ.write_text(program)
    assert_thawed(parts, state_dir)
    assert_told(state_dir, "syntax error", "by an edit of config.php.")


def test_a_config_that_a_full_disk_cut(parts: Parts, state_dir: Path, posted: Guard):
    whole = (state_dir / COPY_NAME).read_bytes()
    parts.site.config_path.write_bytes(whole[:100])
    let_go(posted)
    assert_thawed(parts, state_dir)
    assert parts.site.config_path.read_bytes() == whole
    assert_told(state_dir, "config.php is broken", "by the copy of config.php.")


@pytest.mark.parametrize("damage", [b"", b"\x00" * 100])
def test_a_damaged_lease_is_known_by_heart(
    parts: Parts, state_dir: Path, posted: Guard, damage: bytes
):
    (state_dir / LEASE_NAME).write_bytes(damage)
    let_go(posted)
    assert_thawed(parts, state_dir)


def test_the_lease_of_another_is_none_of_its_business(parts: Parts, state_dir: Path, posted: Guard):
    lease = read_lease(state_dir)
    assert lease
    write_lease(state_dir, msgspec.structs.replace(lease, started_at=1.0))
    let_go(posted)
    assert parts.occ.maintenance()
    assert (state_dir / LEASE_NAME).exists()
    assert not (state_dir / LOG_NAME).exists()


def test_what_still_lives_is_waited_for(parts: Parts, state_dir: Path, posted: Guard):
    posted.process.kill()
    posted.process.wait()
    os.close(posted.rope)
    lease = read_lease(state_dir)
    assert lease
    with subprocess.Popen(("sleep", "30")) as backup:
        start = process_start(backup.pid)
        assert start
        lease = msgspec.structs.replace(lease, pid=backup.pid, process_start=start)
        write_lease(state_dir, lease)
        guard = Guard.post(state_dir, DEFAULT_ENVIRONMENT)
        os.close(guard.rope)
        with pytest.raises(subprocess.TimeoutExpired):
            guard.process.wait(0.3)
        # Dead, though nobody has asked how it ended: as when the parent is busy.
        backup.kill()
        assert guard.process.wait(30) == 0
    assert_thawed(parts, state_dir)


def test_it_tries_again(parts: Parts, state_dir: Path, posted: Guard):
    overlay = parts.site.overlay("late", maintenance=True)
    os.close(posted.rope)
    wait_until(lambda: "Not lifted" in log_of(state_dir))
    overlay.unlink()
    assert posted.process.wait(30) == 0
    assert_thawed(parts, state_dir)


def log_of(state_dir: Path) -> str:
    log = state_dir / LOG_NAME
    return log.read_text() if log.exists() else ""


def test_it_gives_up_after_its_patience(
    parts: Parts, state_dir: Path, posted: Guard, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(guardian, "PATIENCE_SECONDS", 100.0)
    parts.site.overlay("late", maintenance=True)
    lease = read_lease(state_dir)
    assert lease
    clock = StillClock()
    began = clock.monotonic()
    occ = parts.occ.command[:-1]
    fast = msgspec.structs.replace(lease, occ=(*occ, "/no/such/occ"))
    write_lease(state_dir, fast)
    status = guard_in_this_process(state_dir, fast, clock)
    assert status == 1
    assert 100.0 - 31 < clock.monotonic() - began <= 100.0
    assert_told(state_dir, "still turns it on", "Giving up. Run `ocsnap unlock`")
    assert parts.occ.maintenance()


def guard_in_this_process(state_dir: Path, lease: Lease, clock: StillClock) -> int:
    return guardian.guard(
        state_dir, lease, handed_over=False, clock=clock, environment=DEFAULT_ENVIRONMENT
    )


def test_nobody_reads_what_it_says(parts: Parts, state_dir: Path):
    before = parts.site.config_path.read_bytes()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    try:
        with struck(parts, state_dir, "inside", "SIGKILL", stderr=writer):
            assert_recovers(parts, state_dir, before)
    finally:
        os.close(reader)
        os.close(writer)
    assert_told(state_dir, "is out of maintenance")


@pytest.fixture
def slow_off(parts: Parts) -> None:
    occ = parts.site.root / "occ"
    write = "$config->set('maintenance', false);"
    occ.write_text(occ.read_text().replace(write, f"usleep(1000000); {write}"))


@pytest.mark.usefixtures("slow_off")
def test_whoever_comes_while_it_lifts_waits_and_finds_nothing_to_do(parts: Parts, state_dir: Path):
    monitor = SilentMonitor()
    with struck(parts, state_dir, "inside", "SIGKILL"):
        wait_until(lambda: log_of(state_dir) != "")
        assert lift(state_dir, clock=SystemClock(), monitor=monitor) is None
        assert_thawed(parts, state_dir)
    assert monitor.notes == ["Another process is lifting maintenance mode: waiting for its end."]
    wait_until(lambda: not guardian_pids(state_dir))


@pytest.mark.usefixtures("slow_off")
def test_a_backup_that_comes_while_it_lifts_is_not_disturbed(parts: Parts, state_dir: Path):
    with struck(parts, state_dir, "inside", "SIGKILL"):
        wait_until(lambda: log_of(state_dir) != "")
        with build(parts, state_dir, SilentMonitor()).freeze() as freeze:
            assert not freeze.found_on
            wait_until(lambda: len(guardian_pids(state_dir)) == 1)
            assert parts.occ.maintenance()
    assert_thawed(parts, state_dir)


def test_without_it_nothing_is_frozen(
    parts: Parts, state_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    before = parts.site.config_path.read_bytes()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with (
        pytest.raises(OwncloudError, match=r"guardian.* cannot be started: it ended with status 1"),
        build(parts, state_dir, SilentMonitor()).freeze(),
    ):
        pytest.fail("nothing may go on")
    assert parts.site.config_path.read_bytes() == before
    assert_thawed(parts, state_dir)


def test_a_start_that_fails_or_hangs(
    state_dir: Path, posted: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    sleeper = tmp_path / "python"
    sleeper.write_text("#!/bin/sh\nexec sleep 30\n")
    sleeper.chmod(0o755)
    monkeypatch.setattr("ocsnap.owncloud.guard._START_SECONDS", 0.3)
    for python, reason in (
        (str(sleeper), "not ready after 0.3 seconds"),
        ("/no/such/python", "/no/such/python: No such file or directory"),
        ("/bin/false", "ended with status 1"),
    ):
        with pytest.raises(OwncloudError, match=reason) as caught:
            Guard.post(state_dir, DEFAULT_ENVIRONMENT, python=python)
        assert "not frozen" in caught.value.hint
    let_go(posted)


def test_without_a_lease_there_is_nothing_to_guard(state_dir: Path):
    state_dir.mkdir()
    with pytest.raises(OwncloudError, match="ended with status 1"):
        Guard.post(state_dir, DEFAULT_ENVIRONMENT)


def test_its_own_death_is_told(parts: Parts, state_dir: Path):
    monitor = SilentMonitor()
    with build(parts, state_dir, monitor).freeze():
        kill_guardians(state_dir)
    assert monitor.notes == ["The guardian had ended before its time, with status -9."]
    assert_thawed(parts, state_dir)


def test_what_the_backup_cannot_lift_it_goes_on_trying(parts: Parts, state_dir: Path):
    overlay = parts.site.root / "config" / "late.config.php"
    monitor = SilentMonitor()
    with (
        pytest.raises(MaintenanceLeftOnError),
        build(parts, state_dir, monitor).freeze(),
    ):
        overlay.write_text("<?php $CONFIG = ['maintenance' => true];")
    assert any("goes on trying" in note and "15 minutes" in note for note in monitor.notes)
    assert guardian_pids(state_dir)
    overlay.unlink()
    wait_until(lambda: not (state_dir / LEASE_NAME).exists())
    assert_thawed(parts, state_dir)


def test_a_dead_guardian_goes_on_with_nothing(parts: Parts, state_dir: Path):
    monitor = SilentMonitor()

    def work() -> None:
        with build(parts, state_dir, monitor).freeze():
            parts.site.overlay("late", maintenance=True)
            kill_guardians(state_dir)
            wait_until(lambda: not guardian_pids(state_dir))

    with pytest.raises(MaintenanceLeftOnError):
        work()
    assert not any("goes on trying" in note for note in monitor.notes)


def test_what_may_be_in_pieces_is_left_on_until_somebody_looks(parts: Parts, state_dir: Path):
    before = parts.site.config_path.read_bytes()
    with struck(parts, state_dir, "inside", "SIGKILL", guarded=False):
        assert not guardian_pids(state_dir)
    with pytest.raises(MaintenanceLeftOnError, match="A restore died") as caught:
        lift(state_dir, clock=SystemClock(), monitor=SilentMonitor())
    assert "ocsnap unlock" in caught.value.hint
    with (
        pytest.raises(MaintenanceLeftOnError),
        build(parts, state_dir, SilentMonitor()).freeze(),
    ):
        pytest.fail("nothing may go on")
    assert parts.occ.maintenance()
    lift(state_dir, clock=SystemClock(), monitor=SilentMonitor(), unguarded_too=True)
    assert_recovers(parts, state_dir, before)


def test_the_next_restore_goes_on_from_there(parts: Parts, state_dir: Path):
    before = parts.site.config_path.read_bytes()
    with struck(parts, state_dir, "inside", "SIGKILL", guarded=False):
        pass
    with build(parts, state_dir, SilentMonitor()).freeze(guarded=False) as freeze:
        assert not freeze.found_on
        assert not guardian_pids(state_dir)
    assert_recovers(parts, state_dir, before)

"""Whatever the backup dies of, and whenever: users are let in again, within seconds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from ocsnap.clock import SystemClock
from ocsnap.monitor import SilentMonitor
from ocsnap.owncloud.guardian import LOG_NAME
from ocsnap.owncloud.lease import LEASE_NAME
from ocsnap.owncloud.lift import lift
from tests.owncloud.driver import OWN_STEPS, STEPS, Orders
from tests.owncloud.guardians import guardian_pids, wait_until
from tests.owncloud.test_maintenance import assert_thawed

if TYPE_CHECKING:
    from collections.abc import Iterator

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
def struck(parts: Parts, state_dir: Path, step: str, blow: str, **more: object) -> Iterator[int]:
    """Run a backup that is struck; yield its exit status at the moment of its end."""
    orders = Orders(
        root=str(parts.site.root), state_dir=str(state_dir), step=step, blow=blow, **more
    )
    arguments = (sys.executable, "-m", "tests.owncloud.driver", msgspec.json.encode(orders))
    with subprocess.Popen(
        arguments, cwd=REPOSITORY, start_new_session=True, stderr=subprocess.DEVNULL
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


@pytest.mark.parametrize("step", ["during --on, before it writes", "inside"])
def test_terminated_without_a_word(parts: Parts, state_dir: Path, step: str):
    before = parts.site.config_path.read_bytes()
    with struck(parts, state_dir, step, "SIGTERM", catches=False) as status:
        assert status == -signal.SIGTERM
        assert_recovers(parts, state_dir, before)


@pytest.mark.parametrize("blow", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("step", STEPS)
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


@pytest.mark.parametrize(
    "step",
    ["before --on", "during --on, before it writes", "inside", "before the lease is removed"],
)
def test_both_killed_and_lifted_by_the_next(parts: Parts, state_dir: Path, step: str):
    before = parts.site.config_path.read_bytes()
    with struck(parts, state_dir, step, "both") as status:
        assert status == -signal.SIGKILL
        assert not guardian_pids(state_dir)
    lift(state_dir, clock=SystemClock(), monitor=SilentMonitor())
    assert_recovers(parts, state_dir, before)

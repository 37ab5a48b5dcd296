"""The record of a run: told often enough to follow it, and never in the way of the run itself."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec
import pytest

from ocsnap.commands.context import Context
from ocsnap.commands.runs.due import is_due
from ocsnap.commands.runs.history import FILE, keep, read_history
from ocsnap.commands.runs.record import RunState, read_record, read_records, write_record
from ocsnap.commands.runs.recorder import RATE_SECONDS, recorded
from ocsnap.config import parse
from ocsnap.errors import ConfigError, ExitStatus
from ocsnap.monitor import Problem, SilentMonitor
from tests.owncloud.clock import StillClock

if TYPE_CHECKING:
    from pathlib import Path

    from ocsnap.commands.runs.record import RunRecord


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def context(tmp_path: Path, clock: StillClock) -> Context:
    tables = {
        "owncloud": {"root": "/var/www/owncloud"},
        "repository": {"url": "file:///srv/backup"},
        "encryption": {"passphrase_file": "/etc/ocsnap/passphrase"},
        "backup": {"state_dir": str(tmp_path)},
    }
    return Context(
        config=parse(tables, source="test"),
        environment={},
        clock=clock,
        random=random.Random(1),
        monitor=SilentMonitor(),
        host="host",
        superuser=False,
    )


def told(folder: Path, command: str = "backup") -> RunRecord:
    record = read_record(folder, command)
    assert record is not None
    return record


def test_a_run_is_told_of_once_a_second_at_most(
    context: Context, tmp_path: Path, clock: StillClock
):
    with recorded(context, tmp_path, "backup") as recorder:
        recorder.step("Checking")
        recorder.step("Storing", total_bytes=1000)
        before = told(tmp_path)
        assert (before.step, before.step_number, before.total_bytes) == ("Storing", 2, 1000)
        assert before.state is RunState.RUNNING
        for _ in range(7):
            clock.sleep(0.125)
            recorder.advance(files=1, size_bytes=2)
        assert told(tmp_path) == before
        clock.sleep(0.125)
        recorder.advance(files=1, size_bytes=2)
        now = told(tmp_path)
        assert (now.done_files, now.done_bytes) == (8, 16)
        assert now.bytes_per_second == pytest.approx(16)
        assert now.remaining_seconds == pytest.approx((1000 - 16) / 16)
    assert told(tmp_path).state is RunState.DONE


def test_the_rate_follows_the_line(context: Context, tmp_path: Path, clock: StillClock):
    with recorded(context, tmp_path, "backup") as recorder:
        recorder.step("Storing")
        for size_bytes in [1000] * 100 + [10] * RATE_SECONDS:
            clock.sleep(1)
            recorder.advance(size_bytes=size_bytes)
        assert told(tmp_path).bytes_per_second == pytest.approx(10)


def test_everything_reaches_the_monitor_below(context: Context, tmp_path: Path):
    with recorded(context, tmp_path, "backup") as recorder:
        recorder.context.monitor.step("Checking")
        recorder.context.monitor.note("A note.")
        recorder.context.monitor.problem(Problem("a", "broke"))
    below = context.monitor
    assert isinstance(below, SilentMonitor)
    assert (below.steps, below.notes) == (["Checking"], ["A note."])
    assert below.problems == [Problem("a", "broke")]
    assert told(tmp_path).problems == 1


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (ConfigError("It is wrong.", hint="Mend it."), ExitStatus.CONFIG, "It is wrong. Mend it."),
        (KeyboardInterrupt(), ExitStatus.INTERRUPTED, "Interrupted."),
        (ValueError("x"), ExitStatus.INTERNAL, "ValueError('x')"),
    ],
)
def test_how_it_failed_is_kept(
    context: Context, tmp_path: Path, error: BaseException, status: ExitStatus, message: str
):
    with recorded(context, tmp_path, "backup"):
        pass
    good = told(tmp_path).last_good
    with pytest.raises(type(error)), recorded(context, tmp_path, "backup"):
        raise error
    record = told(tmp_path)
    assert (record.state, record.exit_status, record.message) == (RunState.FAILED, status, message)
    assert record.last_good == good


def test_a_run_that_tells_nothing_any_more_has_died(context: Context, tmp_path: Path):
    with recorded(context, tmp_path, "backup"):
        running = told(tmp_path)
    write_record(tmp_path, msgspec.structs.replace(running, process_start="another boot 1"))
    assert told(tmp_path).state is RunState.DIED


def test_a_record_that_cannot_be_written_is_told_once_and_ends_nothing(
    context: Context, tmp_path: Path, clock: StillClock
):
    (tmp_path / "runs").write_text("in the way")
    with recorded(context, tmp_path, "backup") as recorder:
        for number in range(3):
            recorder.step(f"Step {number}")
            clock.sleep(5)
    below = context.monitor
    assert isinstance(below, SilentMonitor)
    assert len(below.notes) == 1
    assert "status" in below.notes[0]


def test_a_damaged_record_is_none(tmp_path: Path):
    (tmp_path / "runs").mkdir()
    for content in (b"", b"{", b'{"command": 3}', b"\xff"):
        (tmp_path / "runs" / "backup.json").write_bytes(content)
        assert read_record(tmp_path, "backup") is None
        assert read_records(tmp_path) == []


def test_when_a_backup_is_due(context: Context, tmp_path: Path, clock: StillClock):
    hour = 3600.0
    assert is_due(context, 20 * hour), "there is none"
    with recorded(context, tmp_path, "backup") as recorder:
        clock.sleep(2 * hour)
        recorder.conclude(ExitStatus.INCOMPLETE)
    clock.sleep(17 * hour)
    assert not is_due(context, 20 * hour)
    clock.sleep(hour)
    assert is_due(context, 20 * hour), "its age counts from its begin"
    with pytest.raises(ConfigError), recorded(context, tmp_path, "backup"):
        raise ConfigError("no")
    assert is_due(context, 20 * hour), "what failed has made nothing"
    with recorded(context, tmp_path, "verify"):
        pass
    assert is_due(context, 20 * hour), "what was checked is no backup"
    with recorded(context, tmp_path, "backup"):
        pass
    assert not is_due(context, 20 * hour)
    clock.seconds -= 48 * hour
    assert is_due(context, 20 * hour), "one from the future tells nothing"


def test_another_repository_has_none_yet(context: Context, tmp_path: Path):
    with recorded(context, tmp_path, "backup"):
        pass
    record = msgspec.structs.replace(told(tmp_path), repository="file:///elsewhere")
    write_record(tmp_path, record)
    assert is_due(context, 3600)


def test_runs_are_remembered_with_those_that_were_killed(
    context: Context, tmp_path: Path, clock: StillClock
):
    with recorded(context, tmp_path, "backup") as recorder:
        recorder.conclude(ExitStatus.OK, snapshot="a" * 64)
    clock.sleep(60)
    with pytest.raises(ConfigError), recorded(context, tmp_path, "backup"):
        raise ConfigError("It is wrong.")
    clock.sleep(60)
    with recorded(context, tmp_path, "backup"):
        killed = told(tmp_path)
    # As if it had been killed: what it wrote last says that it runs, and no such process is there.
    killed = msgspec.structs.replace(killed, process_start="another boot 1")
    file = tmp_path / "runs" / FILE
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:2]) + b"{half a li")
    write_record(tmp_path, killed)
    states = [run.state for run in read_history(tmp_path)]
    assert states == [RunState.DIED, RunState.FAILED, RunState.DONE]
    clock.sleep(60)
    with recorded(context, tmp_path, "backup"):
        states = [run.state for run in read_history(tmp_path)]
        assert states == [RunState.RUNNING, RunState.DIED, RunState.FAILED, RunState.DONE]
    found = read_history(tmp_path)
    assert found[0].state is RunState.DONE
    assert len(found) == 4
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_is_remembered_does_not_grow_for_ever(
    context: Context, tmp_path: Path, clock: StillClock
):
    started = []
    for _ in range(60):
        with recorded(context, tmp_path, "verify"):
            started.append(told(tmp_path, "verify").started)
        clock.sleep(1)
    record = told(tmp_path, "verify")
    most_bytes = (tmp_path / "runs" / FILE).stat().st_size
    keep(tmp_path, msgspec.structs.replace(record, started=clock.now()), most_bytes=most_bytes)
    found = read_history(tmp_path)
    assert 20 <= len(found) <= 35
    assert found[1].started == started[-1]
    assert [run.started for run in reversed(found)] == sorted(run.started for run in found)


def test_a_history_that_cannot_be_written_stops_nothing(context: Context, tmp_path: Path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / FILE).symlink_to(tmp_path / "elsewhere")
    with recorded(context, tmp_path, "backup"):
        pass
    assert told(tmp_path).state is RunState.DONE
    assert not (tmp_path / "elsewhere").exists()
    assert isinstance(context.monitor, SilentMonitor)
    assert len(context.monitor.notes) == 1

"""Disks that are full or read-only: one sentence, nobody locked out, and the next run is fine."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
import pytest

from ocsnap.commands.backup.backup import BackupOptions, backup
from ocsnap.commands.reporting.outcome import Operation
from ocsnap.commands.reporting.reporter import Told, reported
from ocsnap.commands.restore.layout import Part
from ocsnap.commands.restore.report import RestoreOptions
from ocsnap.commands.restore.restore import restore
from ocsnap.errors import LocalIOError
from ocsnap.units import MIB
from tests.commands.host import FREEZING, Host, make_host
from tests.commands.test_window import is_frozen
from tests.servers.disks import read_only, small_disk

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = make_host(tmp_path)
    host.set("backup", spool_dir=str(tmp_path / "spool"))
    return host


def fill(folder: Path) -> Path:
    """Write until nothing more fits."""
    ballast = folder / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return ballast


def make_many(host: Host) -> None:
    """Give the cache more to remember than fits into what a file system rounds up."""
    for number in range(600):
        file = host.site.homes["alice"] / "files" / f"{number}"
        file.write_bytes(secrets.token_bytes(100))
    with host.acting("alice") as changes:
        changes._told("uploaded", "files/0")


@pytest.mark.parametrize("when", ["before", "in the window"])
def test_a_full_state_folder(host: Host, tmp_path: Path, when: str):
    with small_disk(tmp_path / "small", 24 * MIB) as disk:
        host.set("backup", state_dir=str(disk / "state"))
        host.backup()
        make_many(host)
        ballast = [fill(disk)] if when == "before" else []
        acts = {FREEZING: lambda: ballast.append(fill(disk))} if not ballast else {}
        with pytest.raises(LocalIOError, match="small"):
            host.backup(acts=acts)
        assert not is_frozen(host)
        assert ballast[0].stat().st_size > MIB
        ballast[0].unlink()
        host.backup()
        assert not is_frozen(host)
        assert host.differences() == []
        assert host.verify().sound


def test_metrics_tell_of_a_full_state_folder(host: Host, tmp_path: Path):
    textfile = tmp_path / "ocsnap.prom"
    host.set("metrics", textfile=str(textfile))
    with small_disk(tmp_path / "small", 24 * MIB) as disk:
        host.set("backup", state_dir=str(disk / "state"))
        told_backup(host)
        before = textfile.read_text()
        make_many(host)
        fill(disk)
        with pytest.raises(LocalIOError, match="small"):
            told_backup(host)
        assert "metrics.textfile" in {problem.subject for problem in host.monitor.problems}
    told = textfile.read_text()
    assert 'ocsnap_last_run_exit_status{operation="backup"} 15\n' in told
    name = "ocsnap_last_success_timestamp_seconds{"
    (good,) = [line for line in before.splitlines() if line.startswith(name)]
    assert good in told.splitlines()


def told_backup(host: Host) -> None:
    """Back up as the command line does, with everybody told."""
    context = host.context()
    reported(
        context,
        Operation.BACKUP,
        lambda: backup(context, BackupOptions()),
        lambda report: Told(report.exit_status, "", msgspec.to_builtins(report)),
    )


def test_a_read_only_state_folder(host: Host, tmp_path: Path):
    host.backup()
    config = host.site.config_path.read_bytes()
    with read_only(tmp_path / "state"), pytest.raises(LocalIOError, match="state"):
        host.backup()
    assert host.site.config_path.read_bytes() == config
    host.backup()


def restored(host: Host, target: Path) -> None:
    wanted = RestoreOptions(parts=frozenset({Part.DATA}), target=target)
    restore(host.context(), wanted, lambda _: True)


def test_a_target_that_is_too_small_is_known_before(host: Host, tmp_path: Path):
    host.backup()
    with small_disk(tmp_path / "small", 100_000) as disk:
        with pytest.raises(LocalIOError, match="restore needs"):
            restored(host, disk / "target")
        assert not (disk / "target").exists()


def test_a_target_that_others_fill_meanwhile(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Room is checked, and then somebody else takes it."""
    host.backup()
    monkeypatch.setattr("ocsnap.commands.restore.restore.check_room", lambda *_, **__: None)
    with (
        small_disk(tmp_path / "small", 150_000) as disk,
        pytest.raises(LocalIOError, match="No space left on device"),
    ):
        restored(host, disk / "target")
    restored(host, tmp_path / "roomy")


def test_a_read_only_target(host: Host, tmp_path: Path):
    host.backup()
    place = tmp_path / "place"
    place.mkdir()
    with read_only(place), pytest.raises(LocalIOError, match="Read-only file system"):
        restored(host, place / "target")

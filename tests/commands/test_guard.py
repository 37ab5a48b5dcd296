"""The guard: losses and attacks raise an alarm, what users do every day does not."""

from __future__ import annotations

import os
import random
import shutil
from typing import TYPE_CHECKING

import pytest

from ocsnap.commands.acknowledge import acknowledge
from ocsnap.commands.context import connect
from ocsnap.commands.restore.layout import Part
from ocsnap.commands.restore.report import RestoreOptions
from ocsnap.commands.restore.restore import restore
from ocsnap.commands.restore_user.report import UserRestoreOptions
from ocsnap.commands.restore_user.restore_user import restore_user
from ocsnap.commands.snapshots import listing
from ocsnap.errors import AlarmError, NoSnapshotError
from ocsnap.repository.alarm import AlarmKind, demand_acknowledged
from tests.commands.host import Host, make_host

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WORDS = b"Dear colleagues, as agreed in our last meeting I send you the minutes and the budget. "


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Make an ownCloud with 60 letters of alice's in its backup, and thresholds to match."""
    host = make_host(tmp_path, files_per_user=2, large_bytes=0)
    host.set("guard", least_files=30, suspicious_files=40, least_bytes=50_000, least_rows=50)
    host.set("scan", trust_etags="never")
    for number in range(60):
        folder = letters(host) / f"{number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"letter {number}.odt").write_bytes(b"%d " % number + WORDS * (20 + number))
    assert host.backup().alarms == ()
    return host


def letters(host: Host) -> Path:
    return host.site.homes["alice"] / "files" / "Letters"


def all_letters(host: Host) -> list[Path]:
    return sorted(path for path in letters(host).rglob("*") if path.is_file())


def noise(path: Path) -> bytes:
    return random.Random(str(path)).randbytes(path.stat().st_size)


def encrypt_in_place(host: Host) -> None:
    for path in all_letters(host):
        path.write_bytes(noise(path))


def encrypt_and_append(host: Host) -> None:
    for path in all_letters(host):
        path.with_name(path.name + ".id-77.locked").write_bytes(noise(path))
        path.unlink()


def encrypt_and_rename(host: Host) -> None:
    for path in all_letters(host):
        path.with_suffix(".wncry").write_bytes(noise(path))
        path.unlink()


def encrypt_and_scatter(host: Host) -> None:
    for number, path in enumerate(all_letters(host)):
        path.with_name(f"{number:08x}").write_bytes(noise(path))
        path.unlink()


def revise(host: Host) -> None:
    for path in all_letters(host):
        path.write_bytes(b"Revised. " + path.read_bytes()[::-1])


def delete(host: Host) -> None:
    shutil.rmtree(letters(host))


def overwrite_with_nothing(host: Host) -> None:
    for path in all_letters(host):
        path.write_bytes(b"")


def lose_rows(host: Host) -> None:
    with host.site.connected() as database:
        database.run("DELETE FROM oc_filecache")


@pytest.mark.parametrize(
    ("act", "kinds"),
    [
        (encrypt_in_place, {AlarmKind.SCRAMBLED_FILES, AlarmKind.CHANGED_FILES}),
        (encrypt_and_append, {AlarmKind.RENAMED_FILES, AlarmKind.CHANGED_FILES}),
        (encrypt_and_rename, {AlarmKind.RENAMED_FILES, AlarmKind.CHANGED_FILES}),
        (encrypt_and_scatter, {AlarmKind.CHANGED_FILES}),
        (revise, {AlarmKind.CHANGED_FILES}),
        (delete, {AlarmKind.LOST_FILES, AlarmKind.LOST_BYTES}),
        (overwrite_with_nothing, {AlarmKind.CHANGED_FILES, AlarmKind.LOST_BYTES}),
        (lose_rows, {AlarmKind.LOST_ROWS}),
    ],
)
def test_losses_and_attacks_raise_an_alarm(
    host: Host, act: Callable[[Host], None], kinds: set[AlarmKind]
):
    act(host)
    report = host.backup()
    assert {alarm.kind for alarm in report.alarms} == kinds
    assert report.open_alarms == (report.snapshot[:8],)
    assert all(alarm.text.endswith(".") and alarm.concerned for alarm in report.alarms)


def test_an_attack_on_many_users_with_few_files_is_seen(host: Host):
    host.set("guard", least_files=25, suspicious_files=1000)
    for user, home in host.site.homes.items():
        for path in (home / "files").rglob("*"):
            if path.is_file():
                path.unlink()
        for number in range(15):
            (home / "files" / f"{number}.txt").write_bytes(b"%d" % number + user.encode() * 300)
    acknowledge(host.context(), [host.backup().snapshot])
    host.set("guard", least_files=40)
    for home in host.site.homes.values():
        for number in range(15):
            path = home / "files" / f"{number}.txt"
            path.write_bytes(noise(path))
    (alarm,) = host.backup().alarms
    assert (alarm.kind, alarm.subject) == (AlarmKind.CHANGED_FILES, "")
    assert "all users" in alarm.text


def move_everything(host: Host) -> None:
    letters(host).rename(letters(host).with_name("Old letters"))


def restore_names(host: Host) -> None:
    letters(host).with_name("Old letters").rename(letters(host))


def correct_suffixes(host: Host) -> None:
    for path in all_letters(host):
        path.rename(path.with_suffix(".ott"))


def upload_much(host: Host) -> None:
    for number in range(300):
        path = letters(host) / f"picture {number}.jpg"
        path.write_bytes(random.Random(number).randbytes(500))


def edit_some(host: Host) -> None:
    for path in all_letters(host)[:20]:
        path.write_bytes(path.read_bytes() + b" P.S.")


def touch_all(host: Host) -> None:
    for path in all_letters(host):
        os.utime(path, (1, 1))


def fill_the_trash(host: Host) -> None:
    trash = host.site.homes["alice"] / "files_trashbin" / "files"
    trash.mkdir(parents=True, exist_ok=True)
    for path in all_letters(host)[:30]:
        shutil.copy(path, trash / f"{path.name}.d1700000000")


def empty_the_trash(host: Host) -> None:
    shutil.rmtree(host.site.homes["alice"] / "files_trashbin")


def test_what_users_do_every_day_raises_none(host: Host):
    for act in (
        edit_some,
        touch_all,
        move_everything,
        restore_names,
        correct_suffixes,
        fill_the_trash,
        empty_the_trash,
        upload_much,
    ):
        act(host)
        assert host.backup().alarms == (), act.__name__


def test_small_clouds_raise_no_alarm(host: Host):
    host.settings.pop("guard")
    revise(host)
    assert host.backup().alarms == ()
    delete(host)
    lose_rows(host)
    assert host.backup().alarms == ()


def test_the_guard_can_be_off(host: Host):
    host.set("guard", enabled=False)
    delete(host)
    assert host.backup().alarms == ()


def test_a_home_that_is_gone_while_its_user_is_not_raises_an_alarm(host: Host, tmp_path: Path):
    host.site.homes["bob"].rename(tmp_path / "unmounted")
    (alarm,) = host.backup().alarms
    assert (alarm.kind, alarm.subject) == (AlarmKind.LOST_HOME, "bob")


def test_another_exclusion_is_named_as_the_reason(host: Host):
    host.set("backup", exclude=["*.odt"])
    report = host.backup()
    assert report.alarms
    assert all("backup.exclude" in alarm.text for alarm in report.alarms)


# -- until somebody has looked ---------------------------------------------------------------


def demand(host: Host) -> None:
    context = host.context()
    repository = connect(context).repository
    try:
        found = repository.snapshots(context.monitor)
        demand_acknowledged(repository, found, context.monitor)
    finally:
        repository.close()


def test_nothing_may_be_deleted_until_somebody_has_looked(host: Host):
    demand(host)
    delete(host)
    alarmed = host.backup().snapshot
    with pytest.raises(AlarmError, match="files are gone") as caught:
        demand(host)
    assert f"ocsnap acknowledge {alarmed[:8]}" in caught.value.hint
    later = host.backup()
    assert (later.alarms, later.open_alarms) == ((), (alarmed[:8],)), "it is told again"
    assert listing(host.context()).waiting == {alarmed}
    (done,) = acknowledge(host.context(), [alarmed[:8]], reason="They were old.")
    assert done.id == alarmed
    demand(host)
    assert listing(host.context()).waiting == frozenset()
    assert acknowledge(host.context(), [alarmed[:8]]) == []
    assert host.backup().open_alarms == ()
    assert host.verify().sound


def test_who_restores_is_told_of_open_alarms_until_then(host: Host, tmp_path: Path):
    sound = host.snapshot
    encrypt_in_place(host)
    alarmed = host.backup().snapshot
    later = host.backup().snapshot

    def notes(snapshot: str) -> list[str]:
        parts, target = frozenset({Part.DATA}), tmp_path / f"look {len(list(tmp_path.iterdir()))}"
        wanted = RestoreOptions(parts=parts, snapshot=snapshot, target=target)
        return restore(host.context(), wanted, lambda _: True).notes

    def notes_of_user(snapshot: str) -> list[str]:
        wanted = UserRestoreOptions("alice", path="Letters", snapshot=snapshot, dry_run=True)
        return restore_user(host.context(), wanted, lambda _: True).notes

    assert notes(sound) == notes_of_user(sound) == []
    assert notes_of_user(later) == notes(later)
    assert any(f"Snapshot {alarmed[:8]} raised an alarm" in note for note in notes(later))
    acknowledge(host.context(), [alarmed])
    assert notes(later) == []


def test_another_host_knows_of_the_acknowledgement(host: Host):
    delete(host)
    acknowledge(host.context(), [host.backup().snapshot])
    shutil.rmtree(str(host.settings["backup"]["state_dir"]))
    demand(host)


def test_only_who_has_the_key_can_acknowledge(host: Host, tmp_path: Path):
    delete(host)
    alarmed = host.backup().snapshot
    acknowledged = tmp_path / "repository" / "acknowledged"
    acknowledged.mkdir()
    (acknowledged / f"{alarmed}-{'0' * 64}.gpg").write_bytes(b"All is well, believe me.")
    with pytest.raises(AlarmError):
        demand(host)
    # Nor does one of another snapshot count under this name.
    later = host.backup()
    assert later.open_alarms == (alarmed[:8],)


def test_an_acknowledgement_counts_for_its_own_snapshot_only(host: Host, tmp_path: Path):
    delete(host)
    first = host.backup().snapshot
    acknowledge(host.context(), [first])
    for number in range(60):
        (host.site.homes["alice"] / "files" / f"{number}.txt").write_bytes(b"%d" % number)
    host.backup()
    for number in range(60):
        (host.site.homes["alice"] / "files" / f"{number}.txt").unlink()
    second = host.backup().snapshot
    (made,) = (tmp_path / "repository" / "acknowledged").iterdir()
    made.rename(made.with_name(made.name.replace(first, second)))
    shutil.rmtree(str(host.settings["backup"]["state_dir"]))
    assert listing(host.context()).waiting == {first, second}


def test_only_a_snapshot_with_alarms_can_be_acknowledged(host: Host):
    with pytest.raises(NoSnapshotError, match="raised no alarm"):
        acknowledge(host.context(), ["latest"])

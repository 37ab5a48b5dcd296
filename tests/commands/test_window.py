"""OwnCloud stands still for as little as possible, and is as it was before, whatever happens."""

from __future__ import annotations

import multiprocessing
import os
import re
import secrets
import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from ocsnap.commands import context as contexts
from ocsnap.commands.backup import file_passes
from ocsnap.commands.backup.backup import BackupOptions
from ocsnap.errors import ConfigError, LocalIOError, StorageError
from ocsnap.repository.spool import SpoolFullError
from ocsnap.storage.count import Counting
from ocsnap.storage.decorator import Decorator
from ocsnap.storage.faults import Effect, Fault, Faulty
from ocsnap.units import MIB
from tests.commands.host import FREEZING, LAST_CHANGES, LIVE_PASS, Host, make_host
from tests.servers.disks import small_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ocsnap.commands.backup.report import WindowReport
    from ocsnap.config import RepositoryConfig
    from ocsnap.storage.storage import Buffer, ObjectInfo, Storage
    from tests.servers.database_server import DatabaseServer

UNFROZEN = BackupOptions(maintenance=False)
TWO_PACKS = 40 * MIB
MANY_PACKS = 110 * MIB
"""More than three packs: more than are encrypted or sent at once."""


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = make_host(tmp_path)
    host.backup()
    return host


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """Return a host that has backups already; each test leaves it backed up."""
    host = make_host(tmp_path_factory.mktemp("window"))
    host.backup()
    return host


def is_frozen(host: Host) -> bool:
    """Ask config.php itself, as PHP would."""
    return bool(re.search(r"'maintenance' => true", host.site.config_path.read_text()))


def upload(host: Host, user: str, name: str, size_bytes: int) -> None:
    """Let a user upload a file that nothing in the repository is like."""
    path = f"files/Documents/{name}"
    (host.site.homes[user] / path).write_bytes(secrets.token_bytes(size_bytes))
    with host.acting(user) as changes:
        changes._told("uploaded", path)


def spooled(host: Host) -> list[Path]:
    return list(host.spool_dir.glob("*"))


# -- live passes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uploads", "most", "passes"),
    [
        pytest.param([0], 5, 1, id="nothing to do"),
        pytest.param([100], 5, 1, id="small at once"),
        pytest.param([3000, 100], 5, 2, id="small after one pass"),
        pytest.param([3000, 1500, 700, 300, 100], 9, 4, id="shrinking until small"),
        pytest.param([3000, 2500, 2000, 1500], 9, 2, id="hardly shrinking"),
        pytest.param([3000, 4000, 5000], 9, 2, id="growing"),
        pytest.param([8000, 5000, 3000, 1800, 1000], 3, 3, id="bounded"),
        pytest.param([3000], 0, 0, id="none wanted"),
    ],
)
def test_live_passes_go_on_while_the_change_is_large_and_shrinking(
    shared: Host, monkeypatch: pytest.MonkeyPatch, uploads: list[int], most: int, passes: int
):
    monkeypatch.setattr(file_passes, "SMALL_CHANGE_BYTES", 500_000)
    shared.set("backup", live_passes=most)
    left = list(uploads)

    def work() -> None:
        """Upload so many kilobytes while the pass before this one was reading."""
        if left:
            upload(shared, "alice", secrets.token_hex(4), left.pop(0) * 1000)

    names = [LIVE_PASS, *(f"{LIVE_PASS}, pass {number}" for number in range(2, 12))]
    shared.backup(acts=dict.fromkeys([*names, FREEZING], work))

    assert sum(step.startswith(LIVE_PASS) for step in shared.monitor.steps) == passes
    assert shared.differences() == []


# -- the line ----------------------------------------------------------------------------------


@dataclass
class Watch:
    """What a storage saw of the window.

    Attributes:
        host: whose ownCloud it looks at.
        calls: the calls made while ownCloud was frozen.
        packs: how many packs lay in the spool when each pack was put.
    """

    host: Host
    calls: list[str] = field(default_factory=list)
    packs: list[int] = field(default_factory=list)


class Slow(Decorator):
    """Takes long for each pack, and for ever while ownCloud is frozen."""

    def __init__(self, storage: Storage, watch: Watch) -> None:
        super().__init__(storage)
        self._watch = watch

    def put(self, name: str, data: Buffer, *, sha256: str) -> ObjectInfo:
        self._wait_while_frozen(f"put {name}")
        if name.startswith("packs/"):
            self._watch.packs.append(len(spooled(self._watch.host)))
            time.sleep(0.2)
        info = super().put(name, data, sha256=sha256)
        self._wait_while_frozen(f"put {name}")
        return info

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> bytes:
        self._wait_while_frozen(f"get {name}")
        return super().get(name, offset=offset, length=length)

    def stat(self, name: str) -> ObjectInfo:
        self._wait_while_frozen(f"stat {name}")
        return super().stat(name)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        self._wait_while_frozen(f"list {prefix}")
        return super().list(prefix)

    def _wait_while_frozen(self, call: str) -> None:
        patience = time.monotonic() + 10
        while is_frozen(self._watch.host) and time.monotonic() < patience:
            self._watch.calls.append(call)
            time.sleep(0.5)


def use_storage(monkeypatch: pytest.MonkeyPatch, decorated: Callable[[Storage], Storage]) -> None:
    """Put a decorator around the storage of all further runs."""
    real = contexts.open_storage

    def opened(config: RepositoryConfig, **world: object) -> Counting:
        return Counting(decorated(real(config, **world)))  # type: ignore[arg-type]

    monkeypatch.setattr(contexts, "open_storage", opened)


def test_a_large_change_in_the_window_waits_for_no_line(
    host: Host, monkeypatch: pytest.MonkeyPatch
):
    watch = Watch(host)
    use_storage(monkeypatch, lambda storage: Slow(storage, watch))

    report = host.backup(acts={FREEZING: lambda: upload(host, "bob", "large", MANY_PACKS)})

    assert watch.calls == []
    assert max(watch.packs) >= 3
    assert spooled(host) == []
    assert not is_frozen(host)
    assert host.differences() == []
    assert host.verify().sound
    _adds_up(report.window)
    assert report.window.read_seconds > 0


def test_a_large_dump_that_cannot_wait_waits_for_no_line(
    host: Host, monkeypatch: pytest.MonkeyPatch
):
    """An SQLite database is dumped while ownCloud is frozen."""
    watch = Watch(host)
    use_storage(monkeypatch, lambda storage: Slow(storage, watch))
    with host.site.connected() as database:
        for number in range(6):
            noise = secrets.token_hex(7 * MIB)
            database.run(
                "INSERT INTO oc_appconfig (appid, configkey, configvalue) VALUES ('x', ?, ?)",
                *(str(number), noise),
            )

    report = host.backup()

    assert watch.calls == []
    assert max(watch.packs) >= 1
    assert report.dump_new_bytes > 6 * 14 * MIB
    assert host.verify().sound
    _adds_up(report.window)


def _adds_up(window: WindowReport) -> None:
    waiting = window.on_seconds + window.settle_seconds + window.drain_seconds
    total = waiting + window.work_seconds + window.off_seconds
    assert window.total_seconds == pytest.approx(total)
    work = window.database_seconds + window.scan_seconds + window.read_seconds
    assert work <= window.work_seconds
    assert work == pytest.approx(window.work_seconds, abs=0.3)
    assert window.on_seconds > 0
    assert window.settle_seconds > 0
    assert window.off_seconds > 0
    assert window.database_seconds > 0
    assert window.scan_seconds > 0


def test_a_dead_line_leaves_owncloud_running_and_the_next_backup_whole(
    host: Host, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patch:
        fault = Fault("put", Effect.ERROR_BEFORE, prefix="packs/", error=StorageError)
        faulty: list[Faulty] = []

        def die(storage: Storage) -> Storage:
            faulty.append(Faulty(storage, [fault]))
            return faulty[0]

        use_storage(patch, die)
        with pytest.raises(StorageError, match="as planned"):
            host.backup(acts={FREEZING: lambda: upload(host, "bob", "large", TWO_PACKS)})
        faulty[0].assert_happened()

    assert FREEZING in host.monitor.steps
    assert not is_frozen(host)
    host.backup()
    assert spooled(host) == []
    assert host.differences() == []
    assert host.verify().sound


# -- the spool ---------------------------------------------------------------------------------


def test_a_spool_that_is_too_small_is_refused_before_the_window(host: Host):
    config = host.site.config_path.read_bytes()
    with small_disk(host.folder / "small", 300 * MIB) as disk:
        host.set("backup", spool_dir=str(disk))
        with pytest.raises(LocalIOError, match=r"spool has room for .*while ownCloud is frozen"):
            host.backup()
    assert FREEZING not in host.monitor.steps
    assert host.site.config_path.read_bytes() == config


def test_a_dump_that_must_be_held_is_part_of_what_must_fit(tmp_path: Path, mariadb: DatabaseServer):
    """One MyISAM table, and the whole dump is made inside the window."""
    database = mariadb.new_database()
    host = make_host(tmp_path, dbtype="mysql", mysql=mariadb.login(database))
    with small_disk(host.folder / "small", 340 * MIB) as disk:
        host.set("backup", spool_dir=str(disk))
        host.backup()
        noise = f"INSERT INTO odd (v) SELECT REPEAT(UUID(), {14 * MIB // 36})"
        mariadb.run(database, "CREATE TABLE odd (v LONGBLOB) ENGINE=MyISAM", *[noise] * 2)
        config = host.site.config_path.read_bytes()
        with pytest.raises(LocalIOError, match=r"spool has room for .*while ownCloud is frozen"):
            host.backup()
    assert FREEZING not in host.monitor.steps
    assert host.site.config_path.read_bytes() == config


def test_a_change_too_large_for_the_spool_ends_the_window_at_once(host: Host):
    with small_disk(host.folder / "small", 340 * MIB) as disk:
        host.set("backup", spool_dir=str(disk))
        with pytest.raises(SpoolFullError, match="cannot take what changed"):
            host.backup(acts={FREEZING: lambda: upload(host, "bob", "large", MANY_PACKS)})
        assert FREEZING in host.monitor.steps
        assert not is_frozen(host)
        # The change is larger than the spool, but not than the line: a live pass sends it.
        host.backup()
        assert spooled(host) == []
    assert host.differences() == []
    assert host.verify().sound


@pytest.mark.parametrize("when", ["inside the window", "after the window"])
def test_a_kill_while_packs_are_spooled_leaves_nothing_that_harms(host: Host, when: str):
    spawning = multiprocessing.get_context("spawn")
    child = spawning.Process(target=_die_with_packs_spooled, args=(host, when))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    child.close()
    assert spooled(host)

    host.backup()

    assert spooled(host) == []
    assert not is_frozen(host)
    assert host.differences() == []
    assert host.verify().sound


def _die_with_packs_spooled(host: Host, when: str) -> None:
    """Make a backup in this process, and end it as the out-of-memory killer would."""

    class Deadly(Decorator):
        def put(self, name: str, data: Buffer, *, sha256: str) -> ObjectInfo:
            if name.startswith("packs/"):
                _die_if_spooled(host)
            return super().put(name, data, sha256=sha256)

    def change() -> None:
        upload(host, "bob", "large", MANY_PACKS)
        upload(host, "carol@example.org", "small", 1000)

    def wait() -> None:
        if when == "inside the window":
            host.monitor.at_next_file = lambda: _die_if_spooled(host)

    use_storage(pytest.MonkeyPatch(), Deadly)
    host.backup(acts={FREEZING: change, LAST_CHANGES: wait})


def _die_if_spooled(host: Host) -> None:
    if spooled(host):
        os.kill(os.getpid(), signal.SIGKILL)


# -- the mode before is the mode after ---------------------------------------------------------


def occ_mode(host: Host, option: str) -> None:
    subprocess.run(
        ["php", str(host.site.root / "occ"), "maintenance:mode", option],
        check=True,
        capture_output=True,
    )


@pytest.mark.parametrize("way", ["option", "configuration"])
def test_without_maintenance_nothing_is_frozen(host: Host, way: str):
    config = host.site.config_path.read_bytes()
    frozen = []
    if way == "configuration":
        host.set("maintenance", enabled=False)

    def look() -> None:
        frozen.append(is_frozen(host))

    report = host.backup(
        UNFROZEN if way == "option" else BackupOptions(), acts={LAST_CHANGES: look}
    )

    assert frozen == [False]
    assert host.site.config_path.read_bytes() == config
    assert not report.window.frozen
    assert report.window.total_seconds == 0
    assert host.differences() == []


def test_the_option_may_freeze_what_the_configuration_does_not(host: Host):
    host.set("maintenance", enabled=False)
    frozen = []
    report = host.backup(
        BackupOptions(maintenance=True), acts={LAST_CHANGES: lambda: frozen.append(is_frozen(host))}
    )
    assert frozen == [True]
    assert report.window.frozen
    assert not is_frozen(host)


@pytest.mark.parametrize("found_on", [False, True])
@pytest.mark.parametrize("options", [BackupOptions(), UNFROZEN])
def test_the_mode_before_is_the_mode_after(host: Host, found_on: bool, options: BackupOptions):  # noqa: FBT001 - a parameter of the test
    occ_mode(host, "--on" if found_on else "--off")
    report = host.backup(options)
    assert is_frozen(host) == found_on
    assert report.window.found_on == (found_on and options is not UNFROZEN)
    assert host.differences() == []


@pytest.mark.parametrize("found_on", [False, True])
def test_the_mode_before_is_the_mode_after_a_failure(
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    found_on: bool,  # noqa: FBT001 - a parameter of the test
):
    occ_mode(host, "--on" if found_on else "--off")
    fault = Fault("put", Effect.ERROR_BEFORE, prefix="snapshots/", error=StorageError)
    use_storage(monkeypatch, lambda storage: Faulty(storage, [fault]))
    with pytest.raises(StorageError, match="as planned"):
        host.backup()
    assert is_frozen(host) == found_on


# -- snapshots of the file system --------------------------------------------------------------


@pytest.fixture
def snapping(host: Host) -> Host:
    """Return a host whose file system snapshot is a copy, which lasts as long as a copy does."""
    snap, notes = host.folder / "snap", host.folder / "notes"
    note = f"grep -c \"'maintenance' => true\" '{host.site.config_path}' >> '{notes}' || true"
    host.set(
        "backup",
        snapshot_command=["sh", "-c", f"{note}; cp -a '{host.site.data_dir}' '{snap}'"],
        snapshot_cleanup_command=["sh", "-c", f"{note}; rm -rf '{snap}'"],
        snapshot_path=str(snap),
    )
    return host


def notes(host: Host) -> list[str]:
    """Return for each command whether ownCloud was frozen."""
    return (host.folder / "notes").read_text().split()


def test_the_window_holds_only_the_command(snapping: Host):
    host = snapping
    wanted = []
    frozen = []

    def read() -> None:
        """Let users work while the snapshot is read."""
        frozen.append(is_frozen(host))
        wanted.append(host.portrait())
        for act in ("overwrite", "delete", "upload", "restore_version"):
            host.act("alice", act)

    host.act("bob", "upload")
    etag = host.etag("alice")
    report = host.backup(acts={LAST_CHANGES: read})

    assert notes(host) == ["1", "0"]
    assert frozen == [False]
    assert host.differences(wanted[0]) == []
    assert host.home_root("alice").etag == etag
    assert os.fsdecode(host.home_root("alice").path) == str(host.site.homes["alice"])
    assert not (host.folder / "snap").exists()
    window = report.window
    assert window.scan_seconds == window.read_seconds == 0
    assert 0 < window.database_seconds < window.work_seconds

    # What they changed meanwhile is deep in the home, and has another etag than was recorded.
    host.backup()
    assert host.differences() == []


def test_other_commands_from_the_command_line_win(snapping: Host):
    host = snapping
    snap = host.folder / "other"
    host.backup(
        BackupOptions(
            snapshot_command=("cp", "-a", str(host.site.data_dir), str(snap)),
            snapshot_cleanup_command=("rm", "-r", str(snap)),
            snapshot_path=snap,
        )
    )
    assert not (host.folder / "notes").exists()
    assert not snap.exists()
    assert host.differences() == []


def test_the_snapshot_is_removed_after_a_failure_too(
    snapping: Host, monkeypatch: pytest.MonkeyPatch
):
    fault = Fault("put", Effect.ERROR_BEFORE, prefix="meta/", error=StorageError)
    use_storage(monkeypatch, lambda storage: Faulty(storage, [fault]))
    snapping.set("backup", live_passes=0)
    snapping.act("alice", "upload")
    with pytest.raises(StorageError, match="as planned"):
        snapping.backup()
    assert not (snapping.folder / "snap").exists()
    assert not is_frozen(snapping)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        pytest.param(
            ["sh", "-c", "echo no space in the volume group >&2; exit 5"],
            r"^backup.snapshot_command: ended with status 5: no space in the volume group\.",
            id="fails",
        ),
        pytest.param(["false"], "ended with status 1: it said nothing", id="fails silently"),
        pytest.param(
            ["/no/such/lvcreate"], "backup.snapshot_command: cannot be run", id="is not there"
        ),
        pytest.param(["true"], "holds no data directory of ownCloud", id="does nothing"),
    ],
)
def test_a_snapshot_command_that_fails_is_told_in_one_sentence(
    snapping: Host, command: list[str], said: str
):
    snapping.set("backup", snapshot_command=command)
    with pytest.raises(LocalIOError, match=said):
        snapping.backup()
    assert notes(snapping) == ["0"]  # a snapshot made half-way has to be removed too
    assert not is_frozen(snapping)


def test_a_cleanup_command_that_fails_is_told_and_harms_no_backup(snapping: Host):
    command = ["sh", "-c", "echo busy >&2; exit 1"]
    snapping.set("backup", snapshot_cleanup_command=command)
    snapping.backup()
    assert any("busy" in note and "may still be there" in note for note in snapping.monitor.notes)
    assert snapping.differences() == []


@pytest.mark.parametrize(
    "missing", ["snapshot_command", "snapshot_cleanup_command", "snapshot_path"]
)
def test_the_three_settings_belong_together(snapping: Host, missing: str):
    del snapping.settings["backup"][missing]
    with pytest.raises(ConfigError, match="belong together"):
        snapping.backup()
    assert snapping.monitor.steps == ["Checking"]


def test_a_home_outside_of_the_data_directory_is_refused_before_the_window(snapping: Host):
    outside = snapping.folder / "elsewhere" / "bob"
    outside.parent.mkdir()
    snapping.site.homes["bob"].rename(outside)
    with snapping.site.connected() as database:
        database.run("UPDATE oc_accounts SET home = ? WHERE user_id = 'bob'", str(outside))
    config = snapping.site.config_path.read_bytes()

    with pytest.raises(LocalIOError, match=f"{outside} lies outside of the data directory"):
        snapping.backup()

    assert FREEZING not in snapping.monitor.steps
    assert snapping.site.config_path.read_bytes() == config

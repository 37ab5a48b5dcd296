"""What runs cost, counted rather than timed: a change that makes one cost more fails here.

The bounds are what it takes today. Whoever makes a run cheaper lowers them; whoever has to raise
one should know why.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.commands.counting import Counts, counted
from tests.commands.host import Host, make_host

if TYPE_CHECKING:
    from pathlib import Path

    from ocsnap.commands.backup.report import BackupReport

CHANGED_BYTES = 3000
OPENED = 2
"""Times a file that is read is opened: to let the kernel fetch it, and to read it."""

LOCKED = {"put locks/": 3, "list locks/": 2, "delete all locks/": 2}
"""Before anything is looked at, after something was found to do, before the snapshot is put."""

LEARNT = {"get ocsnap.json": 1, "list marks/": 1, "list index/": 1, "list snapshots/": 1}


@dataclass(frozen=True)
class Costs:
    """What a run may do at most; requests as the bill of an S3 store has them.

    Attributes:
        requests: by call and kind of object.
        gpg: how many times gpg is started.
        put_bytes: bytes stored.
    """

    requests: dict[str, int]
    gpg: int
    put_bytes: int

    def allow(self, counts: Counts) -> list[str]:
        """Say in words what is too much."""
        found = [
            f"{call}: {count} requests instead of {self.requests.get(call, 0)}"
            for call, count in sorted(counts.requests.items())
            if count > self.requests.get(call, 0)
        ]
        if counts.programs["gpg"] > self.gpg:
            found.append(f"gpg: {counts.programs['gpg']} starts instead of {self.gpg}")
        if counts.put_bytes > self.put_bytes:
            found.append(f"{counts.put_bytes} bytes stored instead of {self.put_bytes}")
        return found


COMMIT = {"put snapshots/": 1, "stat snapshots/": 1, "put index/": 1}
FIRST = Costs(
    {
        **(LOCKED | LEARNT | COMMIT),
        "get ocsnap.json": 2,
        "create ocsnap.json": 1,
        "list packs/": 1,
        "list meta/": 1,
        "list index/": 3,
        "list snapshots/": 3,
        "list rescue/": 1,
        "put rescue/": 2,
        "put packs/": 2,
        "put meta/": 2,
    },
    gpg=8,
    put_bytes=1_100_000,
)
# ownCloud writes its config.php anew for its maintenance mode: that is the one listing.
NO_CHANGE = Costs({**LOCKED, **LEARNT, **COMMIT, "put meta/": 1}, gpg=5, put_bytes=8000)
SOME = Costs(
    {**LOCKED, **LEARNT, **COMMIT, "put meta/": 2, "put packs/": 1}, gpg=7, put_bytes=30_000
)
RESTORE = Costs({**LEARNT, "put locks/": 1, "get packs/": 2, "delete all locks/": 1}, 4, 200)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = make_host(tmp_path, files_per_user=100)
    host.set("scan", trust_etags="never")
    return host


@pytest.fixture
def files(host: Host) -> list[Path]:
    """The users' files, their older versions and their trash."""
    found = (path for home in host.site.homes.values() for path in sorted(home.glob("files*/**/*")))
    found = (path for path in found if path.is_file() and not path.is_symlink())
    return [path for path in found if path.suffix != ".part"]  # uploads that broke off


def backup(host: Host, monkeypatch: pytest.MonkeyPatch) -> tuple[Counts, BackupReport]:
    with counted(monkeypatch) as counts:
        report = host.backup()
    return counts, report


def settled(host: Host) -> None:
    """Let files be old enough for their times to be relied on."""
    host.backup()
    host.clock.sleep(100)
    host.backup()


def test_a_first_backup(host: Host, files: list[Path], monkeypatch: pytest.MonkeyPatch):
    counts, report = backup(host, monkeypatch)
    assert FIRST.allow(counts) == []
    opened = counts.below(*host.site.homes.values())
    assert set(opened.values()) <= {1, OPENED}
    assert {str(path) for path in files} <= set(opened)
    assert len(opened) < len(files) + 10
    assert report.statistics.files_read < len(files) + 20
    assert report.statistics.read_bytes == report.statistics.source_file_bytes


def test_a_backup_with_nothing_to_do(host: Host, monkeypatch: pytest.MonkeyPatch):
    settled(host)
    counts, report = backup(host, monkeypatch)
    assert NO_CHANGE.allow(counts) == []
    assert counts.below(*host.site.homes.values()) == {}
    assert report.statistics.files_read <= 1


@pytest.mark.parametrize("hundredth", [0, 50])
def test_a_backup_of_one_in_a_hundred_files(
    host: Host, files: list[Path], monkeypatch: pytest.MonkeyPatch, hundredth: int
):
    settled(host)
    changed = files[hundredth::100]
    for path in changed:
        path.write_bytes(os.urandom(CHANGED_BYTES))
    counts, report = backup(host, monkeypatch)
    assert SOME.allow(counts) == []
    assert counts.below(*host.site.homes.values()) == dict.fromkeys(map(str, changed), OPENED)
    assert report.statistics.changed_files <= len(changed) + 1
    assert report.statistics.read_bytes < len(changed) * CHANGED_BYTES + 20_000


def test_a_restore(host: Host, monkeypatch: pytest.MonkeyPatch):
    host.backup()
    with ExitStack() as stack:
        with counted(monkeypatch) as counts:
            target = stack.enter_context(host.restored())
        opened = counts.below(target)
        assert RESTORE.allow(counts) == []
        assert set(opened.values()) == {1}
        assert counts.got_bytes < 1_100_000
        assert counts.below(*host.site.homes.values()) == {}


def test_a_verification_reads_each_object_once(host: Host, monkeypatch: pytest.MonkeyPatch):
    host.backup()
    host.backup()
    with counted(monkeypatch) as counts:
        report = host.verify()
    assert report.sound
    objects = report.objects
    assert counts.requests["list"] == 1
    gets = sum(n for call, n in counts.requests.items() if call.startswith("get "))
    stats = sum(n for call, n in counts.requests.items() if call.startswith("stat "))
    assert gets == report.read_objects + 1 == objects
    assert stats <= objects
    assert sum(counts.requests.values()) <= gets + stats + 5
    assert counts.programs["gpg"] <= objects
    assert report.read_bytes <= counts.got_bytes < report.stored_bytes + 1000


def test_requests_do_not_grow_with_what_there_is(
    host: Host, monkeypatch: pytest.MonkeyPatch, files: list[Path]
):
    for number in range(1000):
        (files[0].parent / f"{number}").touch()
    settled(host)
    counts, _ = backup(host, monkeypatch)
    assert NO_CHANGE.allow(counts) == []


@pytest.mark.parametrize("more", ["put packs/", "get meta/"])
def test_what_is_too_much_is_told(more: str):
    """These tests can fail."""
    counts = Counts(put_bytes=NO_CHANGE.put_bytes + 1)
    for call, count in NO_CHANGE.requests.items():
        counts.requests[call] = count
    counts.requests[more] += 1
    counts.programs["gpg"] = NO_CHANGE.gpg + 1
    assert len(NO_CHANGE.allow(counts)) == 3

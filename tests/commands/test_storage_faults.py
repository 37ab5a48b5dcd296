"""A backup to a real S3 server over a line on which things go wrong, each as planned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import ocsnap.storage.s3_client
from ocsnap.errors import AccessDeniedError, OcsnapError, StorageError
from ocsnap.storage.decorator import Decorator
from tests.commands.host import Host, make_host
from tests.commands.test_window import is_frozen, upload, use_storage
from tests.storage.rough_line import (
    answer_lost,
    broken,
    cut_short,
    damaged,
    damaged_answer,
    refused,
    reset_amid,
    rough_line,
    too_slow,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ocsnap.storage.storage import ObjectInfo, Storage
    from tests.servers.s3 import S3Server
    from tests.storage.rough_line import Answer, Forward, Happening, Request, RoughLine


@pytest.fixture
def line(s3: S3Server) -> Iterator[RoughLine]:
    with rough_line(s3.endpoint) as line:
        yield line


@pytest.fixture
def host(tmp_path: Path, s3: S3Server, line: RoughLine) -> Host:
    """A host with one backup in a bucket, and something new to store."""
    host = make_host(tmp_path)
    config = s3.repository_config(s3.new_bucket(), "cloud", tmp_path)
    host.settings["repository"] = {
        "url": config.url,
        "region": config.region,
        "endpoint": line.endpoint,
        "access_key_id": config.access_key_id,
        "secret_access_key_file": str(config.secret_access_key_file),
    }
    host.backup()
    upload(host, "alice", "new", 300_000)
    return host


class At:
    """Lets something happen to the first requests of a kind, and counts how often it did."""

    def __init__(self, method: str, part: str, happening: Happening, times: int) -> None:
        self._method = method
        self._part = part
        self._happening = happening
        self.left = times

    def __call__(self, request: Request, forward: Forward) -> Answer | None:
        if self.left and request.method == self._method and self._part in request.path:
            self.left -= 1
            return self._happening(request, forward)
        return forward(request)


REQUESTS = [("PUT", "/packs/"), ("PUT", "/meta/"), ("PUT", "/index/"), ("PUT", "/snapshots/")]
PASSING = {
    "500": refused(500, "InternalError"),
    "slow down": refused(503, "SlowDown"),
    "time-out": refused(408, "RequestTimeout"),
    "wrong checksum": refused(400, "BadDigest"),
    "damaged on the line": damaged,
    "broken": broken,
    "answer lost": answer_lost,
    "no answer": too_slow,
}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up soon on a store that does not answer."""
    monkeypatch.setattr(ocsnap.storage.s3_client, "READ_TIMEOUT_SECONDS", 0.5)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("trouble", PASSING)
def test_passing_trouble_with_every_kind_of_object(host: Host, line: RoughLine, trouble: str):
    """Twice for each kind of object; the backup goes on, and nobody is locked out by it."""
    planned = [At(method, part, PASSING[trouble], 2) for method, part in REQUESTS]
    line.plan = [_all_of(planned)] * 500
    report = host.backup()
    assert [(at._part, at.left) for at in planned] == [(part, 0) for _, part in REQUESTS]
    line.plan = []
    assert report.statistics.errors == 0
    assert not is_frozen(host)
    assert host.verify().sound
    assert host.differences() == []


def test_a_connection_that_is_reset_while_an_object_is_sent(host: Host, line: RoughLine):
    line.resets = [kind for kind in REQUESTS for _ in range(2)]
    report = host.backup()
    assert line.resets == []
    assert report.statistics.errors == 0
    assert host.verify().sound
    assert host.differences() == []


FETCHED = ["/packs/", "/meta/", "/index/", "/snapshots/"]
PASSING_DOWN = {
    "500": refused(500, "InternalError"),
    "slow down": refused(503, "SlowDown"),
    "cut short": cut_short,
    "reset": reset_amid,
    "broken": broken,
    "no answer": too_slow,
}


@pytest.mark.usefixtures("impatient")
def test_passing_trouble_with_a_restore(host: Host, line: RoughLine):
    """Each twice for each kind of object, by a host that has to fetch them all."""
    host.backup()
    for trouble, happening in PASSING_DOWN.items():
        planned = [At("GET", part, happening, 2) for part in FETCHED]
        line.plan = [_all_of(planned)] * 500
        forget(host, trouble)
        assert host.differences() == [], trouble
        assert [at.left for at in planned] == [0] * len(FETCHED), trouble


def test_what_is_damaged_on_the_line_is_fetched_once_more(host: Host, line: RoughLine):
    host.backup()
    planned = [At("GET", part, damaged_answer, 1) for part in FETCHED]
    line.plan = [_all_of(planned)] * 500
    forget(host, "damaged")
    assert host.differences() == []
    assert [at.left for at in planned] == [0] * len(FETCHED)


def test_trouble_that_does_not_pass_ends_a_restore_in_one_sentence(host: Host, line: RoughLine):
    """In the middle of the packs; the next one goes well."""
    host.backup()
    for trouble in ("denied", "expired", "clock", "dead"):
        happening, error, words = FOR_GOOD[trouble]
        at = At("GET", "/packs/", happening, 1000)
        line.plan = [at] * 500
        forget(host, trouble)
        with pytest.raises(error, match=words):
            host.differences()
        assert at.left < 1000
        line.plan = []
        assert host.differences() == []


def forget(host: Host, name: str) -> None:
    """Let the host have nothing but what it fetches."""
    state = host.folder / "states" / name
    state.mkdir(parents=True)
    host.set("backup", state_dir=str(state))


FOR_GOOD = {
    "denied": (refused(403, "AccessDenied"), AccessDeniedError, "does not allow"),
    "expired": (refused(400, "ExpiredToken"), AccessDeniedError, "expired"),
    "clock": (refused(403, "RequestTimeTooSkewed"), StorageError, "clock is wrong"),
    "full": (refused(507, "XMinioStorageFull"), StorageError, "Said so"),
    "dead": (refused(503, "ServiceUnavailable"), StorageError, "ServiceUnavailable"),
}


@pytest.mark.parametrize(
    ("trouble", "part"),
    [
        ("denied", "/packs/"),
        ("expired", "/meta/"),
        ("clock", "/index/"),
        ("full", "/snapshots/"),
        ("dead", "/packs/"),
    ],
)
def test_trouble_that_does_not_pass_ends_the_backup_in_one_sentence(
    host: Host, line: RoughLine, trouble: str, part: str
):
    """In the middle of a backup; the next one goes on from there by itself."""
    happening, error, words = FOR_GOOD[trouble]
    at = At("PUT", part, happening, 1000)
    line.plan = [at] * 500
    with pytest.raises(error, match=words) as caught:
        host.backup()
    assert isinstance(caught.value, OcsnapError)
    assert at.left < 1000
    assert not is_frozen(host)
    line.plan = []
    host.backup()
    assert host.verify().sound
    assert host.differences() == []


class Delayed(Decorator):
    """Does not show what was put lately: as stores did before they were consistent."""

    def __init__(self, storage: Storage, hidden: Callable[[str], bool]) -> None:
        super().__init__(storage)
        self._hidden = hidden
        self.hid = 0

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        for info in super().list(prefix):
            if self._hidden(info.name):
                self.hid += 1
            else:
                yield info


@pytest.mark.parametrize("folder", ["index/", "snapshots/"])
def test_what_is_shown_late_costs_time_but_no_data(
    host: Host, monkeypatch: pytest.MonkeyPatch, folder: str
):
    """The listing lags behind by one backup; once it has caught up, everything is there."""
    before: set[str] = set()

    def remember(storage: Storage) -> Storage:
        before.update(info.name for info in storage.list())
        return storage

    with monkeypatch.context() as patch:
        use_storage(patch, remember)
        host.backup()
    upload(host, "bob", "newer", 200_000)
    delayed: list[Delayed] = []

    def late(storage: Storage) -> Storage:
        delayed.append(
            Delayed(storage, lambda name: name.startswith(folder) and name not in before)
        )
        return delayed[-1]

    with monkeypatch.context() as patch:
        use_storage(patch, late)
        host.backup()
    assert sum(each.hid for each in delayed) > 0
    upload(host, "bob", "newest", 100_000)
    host.backup()
    assert host.verify().sound
    assert host.differences() == []


def _all_of(planned: list[At]) -> Happening:
    def happen(request: Request, forward: Forward) -> Answer | None:
        for at in planned:
            if at.left and at._method == request.method and at._part in request.path:
                return at(request, forward)
        return forward(request)

    return happen

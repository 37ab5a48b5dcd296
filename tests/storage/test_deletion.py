"""Removing many objects from S3 in one request, and what stores make of it."""

from __future__ import annotations

import errno
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ocsnap.clock import SystemClock
from ocsnap.errors import AccessDeniedError, TransientStorageError
from ocsnap.storage.factory import open_storage
from ocsnap.storage.local import LocalStorage
from ocsnap.storage.retry import Retrying
from tests.storage.fake_clock import FakeClock
from tests.storage.objects import opened, put
from tests.storage.rough_line import broken, refused, said, smooth

if TYPE_CHECKING:
    from ocsnap.config import RepositoryConfig
    from ocsnap.storage.s3 import S3Storage
    from tests.storage.rough_line import RoughLine

EVERY = [f"packs/{number}" for number in range(5)]


def failed(*codes: str) -> bytes:
    """Return the answer of a store that could not remove the first objects."""
    errors = "".join(
        f"<Error><Key>cloud/packs/{number}</Key><Code>{code}</Code><Message>No.</Message></Error>"
        for number, code in enumerate(codes)
    )
    return f"<DeleteResult>{errors}</DeleteResult>".encode()


def left(storage: S3Storage) -> list[str]:
    return sorted(info.name for info in storage.list())


@pytest.fixture
def filled(rough_s3: S3Storage, line: RoughLine) -> S3Storage:
    for name in EVERY:
        put(rough_s3, name, b"x")
    line.seen.clear()
    return rough_s3


def test_a_thousand_go_with_each_request(amazon: RepositoryConfig):
    storage = open_storage(amazon, clock=SystemClock(), random=random.Random(1))
    every = [f"packs/{number}" for number in range(1001)]
    for name in every:
        put(storage, name, b"x")
    before = storage.requests
    storage.delete_all([*every, "packs/none"])
    assert storage.requests - before == 2
    assert storage.deleted_objects == 1002
    assert [*storage.list()] == []
    storage.close()


def test_older_stores_get_the_checksum_that_they_demand(filled: S3Storage, line: RoughLine):
    filled.delete_all(EVERY)
    (request,) = line.seen
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert request.method == "POST"
    assert "content-md5" in headers["authorization"]
    assert left(filled) == []


@pytest.mark.parametrize("code", ["NotImplemented", "MethodNotAllowed"])
def test_a_store_that_knows_no_such_request_is_asked_one_by_one(
    filled: S3Storage, line: RoughLine, code: str
):
    line.plan = [refused(501, code)]
    filled.delete_all(EVERY)
    assert [request.method for request in line.seen] == ["POST"] + ["DELETE"] * 5
    assert left(filled) == []


def test_one_that_may_not_be_removed_alone_keeps_none_of_the_others(
    filled: S3Storage, line: RoughLine
):
    line.plan = [refused(501, "NotImplemented"), refused(403, "AccessDenied")]
    with pytest.raises(AccessDeniedError) as caught:
        filled.delete_all(EVERY)
    assert caught.value.name == EVERY[0]
    assert left(filled) == EVERY[:1]


def test_what_may_not_be_removed_is_named(filled: S3Storage, line: RoughLine):
    line.plan = [said(200, failed("InternalError", "AccessDenied"))]
    with pytest.raises(AccessDeniedError) as caught:
        filled.delete_all(EVERY)
    assert caught.value.name == EVERY[1]
    assert "DeleteObject" in caught.value.hint


def test_what_is_not_there_is_no_failure(filled: S3Storage, line: RoughLine):
    line.plan = [said(200, failed("NoSuchKey"))]
    filled.delete_all(EVERY)


@pytest.mark.parametrize("code", ["InternalError", "SlowDown"])
def test_what_may_go_better_is_tried_again(filled: S3Storage, line: RoughLine, code: str):
    line.plan = [said(200, failed(code)), broken, smooth]
    Retrying(filled, clock=FakeClock(), random=random.Random(1)).delete_all(EVERY)
    assert len(line.seen) == 3
    assert left(filled) == []
    line.plan = [said(200, failed(code))]
    with pytest.raises(TransientStorageError):
        filled.delete_all(EVERY)


def test_a_key_that_may_remove_nothing_says_so(filled: S3Storage, line: RoughLine):
    line.plan = [refused(403, "AccessDenied")]
    with pytest.raises(AccessDeniedError):
        filled.delete_all(EVERY)
    assert left(filled) == EVERY


def test_without_a_prefix_the_keys_are_the_names(amazon: RepositoryConfig):
    with opened(amazon, url="s3://oc-backup") as storage:
        put(storage, "packs/1")
        storage.delete_all(["packs/1"])
        assert [*storage.list()] == []


def test_a_file_that_may_not_be_removed_keeps_none_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    storage = LocalStorage(tmp_path / "repository")
    for name in EVERY:
        put(storage, name)
    unlink = Path.unlink

    def refuse(path: Path, **options: bool) -> None:
        if path.name == "0":
            raise PermissionError(errno.EPERM, "Operation not permitted")
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(AccessDeniedError):
        storage.delete_all(EVERY)
    assert [info.name for info in storage.list()] == EVERY[:1]

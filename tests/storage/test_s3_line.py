"""What goes wrong between ocsnap and an S3 store, and what is made of it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec
import pytest

import ocsnap.storage.s3_client
from ocsnap.errors import (
    AccessDeniedError,
    StorageError,
    TransientStorageError,
)
from ocsnap.storage.factory import open_storage
from tests.storage.fake_clock import FakeClock
from tests.storage.objects import DATA, opened, put, room
from tests.storage.rough_line import (
    answer_lost,
    broken,
    cut_short,
    refused,
    said,
    too_slow,
)

if TYPE_CHECKING:
    from ocsnap.config import RepositoryConfig
    from ocsnap.storage.s3 import S3Storage
    from tests.storage.rough_line import Happening, RoughLine


@pytest.mark.parametrize(
    "trouble",
    [
        refused(503, "SlowDown"),
        refused(500, "InternalError"),
        refused(429, "TooManyRequests"),
        said(502, b"<html>a proxy's own words</html>"),
        broken,
        answer_lost,
    ],
    ids=["503", "500", "429", "502", "broken", "lost"],
)
def test_what_may_go_better_next_time_says_so(
    rough_s3: S3Storage, line: RoughLine, trouble: Happening
):
    for call in [
        lambda: put(rough_s3, "packs/1"),
        lambda: rough_s3.get("packs/1"),
        lambda: rough_s3.stat("packs/1"),
        lambda: [*rough_s3.list()],
        lambda: rough_s3.delete("packs/1"),
        rough_s3.check,
    ]:
        line.plan = [trouble]
        with pytest.raises(TransientStorageError):
            call()
        assert not line.plan


@pytest.mark.parametrize(
    "code", ["RequestTimeout", "OperationAborted", "BadDigest", "IncompleteBody", "SlowDown"]
)
def test_a_code_may_say_so_too(rough_s3: S3Storage, line: RoughLine, code: str):
    line.plan = [refused(400, code)]
    with pytest.raises(TransientStorageError, match=code):
        put(rough_s3, "packs/1")


def test_retries_hide_it_and_are_counted(s3_config: RepositoryConfig, line: RoughLine):
    clock = FakeClock()
    config = msgspec.structs.replace(s3_config, endpoint=line.endpoint)
    storage = open_storage(config, clock=clock, random=random.Random(1))
    line.plan = [refused(503, "SlowDown"), broken]
    put(storage, "packs/1")
    line.plan = [cut_short]
    assert storage.get("packs/1") == DATA
    assert storage.requests == len(line.seen) == 5
    assert (storage.objects_put, storage.put_bytes, storage.got_bytes) == (
        1,
        len(DATA),
        len(DATA),
    )
    assert len(clock.slept) == 3
    storage.close()


def test_an_answer_cut_short_is_no_object(rough_s3: S3Storage, line: RoughLine):
    put(rough_s3, "packs/1")
    for offset, length in [(0, None), (5, 100)]:
        line.plan = [cut_short]
        with pytest.raises(TransientStorageError):
            rough_s3.get("packs/1", offset=offset, length=length)
    line.plan = [cut_short]
    with pytest.raises(TransientStorageError):
        rough_s3.get_into("packs/1", room)


def test_a_store_that_does_not_answer_is_left(
    s3_config: RepositoryConfig, line: RoughLine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ocsnap.storage.s3_client, "READ_TIMEOUT_SECONDS", 0.2)
    with opened(s3_config, endpoint=line.endpoint) as storage:
        line.plan = [too_slow]
        with pytest.raises(TransientStorageError, match=r"(?i)time(d )?out"):
            storage.get("packs/1")


def test_a_store_that_knows_no_ranges_sends_all(rough_s3: S3Storage, line: RoughLine):
    line.plan = [said(200, b"0123456789")]
    assert rough_s3.get("packs/1", offset=2, length=3) == b"234"
    line.plan = [said(200, b"0123456789")]
    assert rough_s3.get("packs/1", offset=7) == b"789"


def test_the_page_of_a_hotel_is_no_empty_listing(rough_s3: S3Storage, line: RoughLine):
    for call in [rough_s3.check, lambda: [*rough_s3.list()]]:
        line.plan = [said(200, b"<html><p>Please log in.</p></html>")]
        with pytest.raises(StorageError, match="not as an S3 store"):
            call()


def test_cold_storage_is_named(rough_s3: S3Storage, line: RoughLine):
    line.plan = [refused(403, "InvalidObjectState")]
    with pytest.raises(StorageError, match="cold storage") as caught:
        rough_s3.get("packs/1")
    assert not isinstance(caught.value, AccessDeniedError)


def test_what_is_not_known_is_told_in_the_stores_words(rough_s3: S3Storage, line: RoughLine):
    line.plan = [refused(507, "XMinioStorageFull")]
    with pytest.raises(StorageError, match=r"packs/1: Said so \(S3: XMinioStorageFull\)") as caught:
        put(rough_s3, "packs/1")
    assert not isinstance(caught.value, TransientStorageError)

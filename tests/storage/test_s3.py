"""What is special to S3 while all goes well: listings, checksums, conditional puts."""

from __future__ import annotations

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import urllib3.util.connection

from ocsnap.clock import SystemClock
from ocsnap.errors import (
    AccessDeniedError,
    ObjectExistsError,
    ObjectMissingError,
    StorageError,
    TransientStorageError,
)
from ocsnap.storage.factory import open_storage
from ocsnap.storage.retry import Retrying
from tests.storage.fake_clock import FakeClock
from tests.storage.objects import DATA, opened, put, room, sha256
from tests.storage.rough_line import (
    answer_lost,
    damaged,
    refused,
    said,
    smooth,
)

if TYPE_CHECKING:
    from ocsnap.config import RepositoryConfig
    from ocsnap.storage.s3 import S3Storage
    from tests.servers.s3 import S3Server
    from tests.storage.rough_line import RoughLine


def test_a_listing_goes_past_a_thousand_keys(s3_config: RepositoryConfig):
    storage = open_storage(s3_config, clock=SystemClock(), random=random.Random(1))
    expected = {f"packs/{number % 3}/{number}" for number in range(2050)}
    with ThreadPoolExecutor(8) as pool:
        assert len([*pool.map(lambda name: put(storage, name, b"x"), expected)]) == 2050
    before = storage.requests
    assert {info.name for info in storage.list("packs/")} == expected
    assert storage.requests - before == 3
    assert storage.put_bytes == storage.objects_put == 2050
    storage.close()


def test_a_listing_of_amazon_goes_past_a_thousand_keys(amazon: RepositoryConfig):
    with opened(amazon) as storage:
        expected = {f"packs/{number}" for number in range(1001)}
        for name in expected:
            put(storage, name, b"x")
        assert {info.name for info in storage.list()} == expected


def test_a_listing_shows_neither_other_prefixes_nor_foreign_keys(
    s3_config: RepositoryConfig, s3: S3Server
):
    bucket = s3_config.url.removeprefix("s3://").partition("/")[0]
    client = s3.client()
    for key in ["cloud2/packs/1", "packs/1", "cloud/.hidden", "cloud/a b", "cloud.txt"]:
        client.put_object(Bucket=bucket, Key=key, Body=b"")
    client.close()
    with opened(s3_config) as storage:
        put(storage, "packs/1")
        assert [info.name for info in storage.list()] == ["packs/1"]


def test_objects_that_are_read_in_place_come_over_one_connection(
    s3_config: RepositoryConfig, monkeypatch: pytest.MonkeyPatch
):
    connect = urllib3.util.connection.create_connection
    made: list[object] = []
    monkeypatch.setattr(
        "urllib3.util.connection.create_connection",
        lambda *given, **ways: made.append(given) or connect(*given, **ways),
    )
    data = random.Random(1).randbytes(1_000_000)
    with opened(s3_config) as storage:
        put(storage, "packs/1", data)
        for _ in range(5):
            assert storage.get_into("packs/1", room) == data
    assert len(made) == 1


def test_without_a_prefix_keys_stand_at_the_top(s3_config: RepositoryConfig, s3: S3Server):
    bucket = s3_config.url.removeprefix("s3://").partition("/")[0]
    with opened(s3_config, url=f"s3://{bucket}") as storage:
        put(storage, "packs/1")
        assert (s3.data / bucket / "packs" / "1").read_bytes() == DATA
        assert [info.name for info in storage.list()] == ["packs/1"]


def test_a_listing_that_breaks_off_is_an_error(rough_s3: S3Storage, line: RoughLine):
    page = b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"
    line.plan = [said(200, page)]
    with pytest.raises(StorageError, match="breaks its listing off"):
        [*rough_s3.list()]


def test_a_body_damaged_on_the_line_is_not_stored(rough_s3: S3Storage, line: RoughLine):
    line.plan = [damaged]
    with pytest.raises(TransientStorageError, match="BadDigest"):
        put(rough_s3, "packs/1")
    with pytest.raises(ObjectMissingError):
        rough_s3.get("packs/1")


def test_a_body_damaged_on_the_line_arrives_whole_the_next_time(
    rough_s3: S3Storage, line: RoughLine
):
    line.plan = [damaged, damaged]
    put(Retrying(rough_s3, clock=FakeClock(), random=random.Random(1)), "packs/1")
    assert rough_s3.get("packs/1") == DATA
    assert not line.plan


def test_rclone_tells_the_md5(s3_config: RepositoryConfig):
    with opened(s3_config) as storage:
        put(storage, "packs/1")
        md5 = hashlib.md5(DATA, usedforsecurity=False).hexdigest()
        assert storage.stat("packs/1").md5 == md5
        assert [info.md5 for info in storage.list()] == [md5]


def test_amazon_is_sent_the_sha256_and_tells_it(amazon: RepositoryConfig):
    with opened(amazon) as storage:
        put(storage, "packs/1")
        assert storage.stat("packs/1").sha256 == sha256(DATA)


def test_no_md5_is_read_from_an_etag_that_is_none(amazon: RepositoryConfig):
    with opened(amazon) as storage:
        client = storage._client
        place = {"Bucket": "oc-backup", "Key": "some/prefix/packs/1"}
        client.put_object(**place, Body=DATA, ServerSideEncryption="aws:kms")
        assert storage.stat("packs/1").md5 is None

        upload = client.create_multipart_upload(**place)["UploadId"]
        etag = client.upload_part(**place, UploadId=upload, PartNumber=1, Body=DATA)["ETag"]
        parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload=parts)
        info = storage.stat("packs/1")
        assert (info.size_bytes, info.md5, info.sha256) == (len(DATA), None, None)
        assert [found.md5 for found in storage.list()] == [None]


def test_no_body_is_signed_nor_sent_in_chunks(rough_s3: S3Storage, line: RoughLine):
    put(rough_s3, "packs/1")
    headers = {name.lower(): value for name, value in line.seen[0].headers.items()}
    assert headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert headers["content-length"] == str(len(DATA))
    assert headers["expect"] == "100-continue"
    assert "content-md5" in headers["authorization"]
    assert not {name for name in headers if "trailer" in name or "transfer-encoding" in name}


def test_a_store_without_conditional_puts_still_creates(rough_s3: S3Storage, line: RoughLine):
    line.plan = [smooth, refused(501, "NotImplemented")]
    rough_s3.create("locks/1", b"mine", sha256=sha256(b"mine"))
    assert rough_s3.get("locks/1") == b"mine"
    with pytest.raises(ObjectExistsError):
        rough_s3.create("locks/1", b"yours", sha256=sha256(b"yours"))
    assert rough_s3.get("locks/1") == b"mine"


def test_a_create_whose_answer_was_lost_is_known_again(rough_s3: S3Storage, line: RoughLine):
    retrying = Retrying(rough_s3, clock=FakeClock(), random=random.Random(1))
    line.plan = [smooth, answer_lost]
    retrying.create("locks/1", b"mine", sha256=sha256(b"mine"))
    assert rough_s3.get("locks/1") == b"mine"


def test_a_key_that_may_not_look_creates_nothing(rough_s3: S3Storage, line: RoughLine):
    line.plan = [refused(403, "AccessDenied")]
    with pytest.raises(AccessDeniedError):
        rough_s3.create("locks/1", b"mine", sha256=sha256(b"mine"))
    assert [*rough_s3.list()] == []


def test_amazon_is_asked_to_create_in_one_request(amazon: RepositoryConfig):
    with opened(amazon) as storage:
        sent: list[str] = []
        storage._client.meta.events.register(
            "before-send.s3", lambda request, **_: sent.append(request.method)
        )
        storage.create("locks/1", b"mine", sha256=sha256(b"mine"))
        with pytest.raises(ObjectExistsError):
            storage.create("locks/1", b"yours", sha256=sha256(b"yours"))
        assert sent == ["PUT", "PUT"]
        assert storage.get("locks/1") == b"mine"

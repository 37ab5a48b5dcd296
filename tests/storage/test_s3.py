"""What is special to S3: real servers, and the lines to them."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import botocore.auth
import msgspec
import pytest
from moto.core import set_initial_no_auth_action_count

import ocsnap.storage.s3_client
from ocsnap.clock import SystemClock
from ocsnap.errors import (
    AccessDeniedError,
    ConfigError,
    NoRepositoryError,
    ObjectExistsError,
    ObjectMissingError,
    StorageError,
    TransientStorageError,
)
from ocsnap.storage.bucket import configured_bucket
from ocsnap.storage.factory import open_storage
from ocsnap.storage.retry import Retrying
from ocsnap.storage.s3 import S3Storage
from ocsnap.storage.s3_client import make_client
from tests.storage.fake_clock import FakeClock
from tests.storage.rough_line import (
    answer_lost,
    broken,
    cut_short,
    damaged,
    refused,
    rough_line,
    said,
    smooth,
    too_slow,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ocsnap.config import RepositoryConfig
    from ocsnap.storage.count import Counting
    from tests.servers.s3 import S3Server
    from tests.storage.rough_line import Happening, RoughLine

DATA = b"what is in a pack" * 1000


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def put(storage: S3Storage | Counting | Retrying, name: str, data: bytes = DATA) -> None:
    storage.put(name, data, sha256=sha256(data))


@contextmanager
def opened(config: RepositoryConfig, **changes: object) -> Iterator[S3Storage]:
    """Open the bare storage, without retries."""
    config = msgspec.structs.replace(config, **changes)
    bucket = configured_bucket(config)
    storage = S3Storage(make_client(config, amazon=bucket.amazon), bucket)
    try:
        yield storage
    finally:
        storage.close()


@pytest.fixture
def config(s3: S3Server, tmp_path: Path) -> RepositoryConfig:
    return s3.repository_config(s3.new_bucket(), "cloud", tmp_path)


@pytest.fixture
def line(s3: S3Server) -> Iterator[RoughLine]:
    with rough_line(s3.endpoint) as line:
        yield line


@pytest.fixture
def storage(config: RepositoryConfig, line: RoughLine) -> Iterator[S3Storage]:
    """A storage at the other end of the rough line."""
    with opened(config, endpoint=line.endpoint) as storage:
        yield storage


# --- listings -----------------------------------------------------------------------------------


def test_a_listing_goes_past_a_thousand_keys(config: RepositoryConfig):
    storage = open_storage(config, clock=SystemClock(), random=random.Random(1))
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
    config: RepositoryConfig, s3: S3Server
):
    bucket = config.url.removeprefix("s3://").partition("/")[0]
    client = s3.client()
    for key in ["cloud2/packs/1", "packs/1", "cloud/.hidden", "cloud/a b", "cloud.txt"]:
        client.put_object(Bucket=bucket, Key=key, Body=b"")
    client.close()
    with opened(config) as storage:
        put(storage, "packs/1")
        assert [info.name for info in storage.list()] == ["packs/1"]


def test_without_a_prefix_keys_stand_at_the_top(config: RepositoryConfig, s3: S3Server):
    bucket = config.url.removeprefix("s3://").partition("/")[0]
    with opened(config, url=f"s3://{bucket}") as storage:
        put(storage, "packs/1")
        assert (s3.data / bucket / "packs" / "1").read_bytes() == DATA
        assert [info.name for info in storage.list()] == ["packs/1"]


def test_a_listing_that_breaks_off_is_an_error(storage: S3Storage, line: RoughLine):
    page = b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"
    line.plan = [said(200, page)]
    with pytest.raises(StorageError, match="breaks its listing off"):
        [*storage.list()]


# --- checksums ----------------------------------------------------------------------------------


def test_a_body_damaged_on_the_line_is_not_stored(storage: S3Storage, line: RoughLine):
    line.plan = [damaged]
    with pytest.raises(TransientStorageError, match="BadDigest"):
        put(storage, "packs/1")
    with pytest.raises(ObjectMissingError):
        storage.get("packs/1")


def test_a_body_damaged_on_the_line_arrives_whole_the_next_time(
    storage: S3Storage, line: RoughLine
):
    line.plan = [damaged, damaged]
    put(Retrying(storage, clock=FakeClock(), random=random.Random(1)), "packs/1")
    assert storage.get("packs/1") == DATA
    assert not line.plan


def test_rclone_tells_the_md5(config: RepositoryConfig):
    with opened(config) as storage:
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


def test_no_body_is_signed_nor_sent_in_chunks(storage: S3Storage, line: RoughLine):
    put(storage, "packs/1")
    headers = {name.lower(): value for name, value in line.seen[0].headers.items()}
    assert headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert headers["content-length"] == str(len(DATA))
    assert headers["expect"] == "100-continue"
    assert "content-md5" in headers["authorization"]
    assert not {name for name in headers if "trailer" in name or "transfer-encoding" in name}


# --- what goes wrong on the way -----------------------------------------------------------------


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
    storage: S3Storage, line: RoughLine, trouble: Happening
):
    for call in [
        lambda: put(storage, "packs/1"),
        lambda: storage.get("packs/1"),
        lambda: storage.stat("packs/1"),
        lambda: [*storage.list()],
        lambda: storage.delete("packs/1"),
        storage.check,
    ]:
        line.plan = [trouble]
        with pytest.raises(TransientStorageError):
            call()
        assert not line.plan


@pytest.mark.parametrize(
    "code", ["RequestTimeout", "OperationAborted", "BadDigest", "IncompleteBody", "SlowDown"]
)
def test_a_code_may_say_so_too(storage: S3Storage, line: RoughLine, code: str):
    line.plan = [refused(400, code)]
    with pytest.raises(TransientStorageError, match=code):
        put(storage, "packs/1")


def test_retries_hide_it_and_are_counted(config: RepositoryConfig, line: RoughLine):
    clock = FakeClock()
    config = msgspec.structs.replace(config, endpoint=line.endpoint)
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


def test_an_answer_cut_short_is_no_object(storage: S3Storage, line: RoughLine):
    put(storage, "packs/1")
    for offset, length in [(0, None), (5, 100)]:
        line.plan = [cut_short]
        with pytest.raises(TransientStorageError):
            storage.get("packs/1", offset=offset, length=length)


def test_a_store_that_does_not_answer_is_left(
    config: RepositoryConfig, line: RoughLine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ocsnap.storage.s3_client, "READ_TIMEOUT_SECONDS", 0.2)
    with opened(config, endpoint=line.endpoint) as storage:
        line.plan = [too_slow]
        with pytest.raises(TransientStorageError, match=r"(?i)time(d )?out"):
            storage.get("packs/1")


def test_a_store_that_knows_no_ranges_sends_all(storage: S3Storage, line: RoughLine):
    line.plan = [said(200, b"0123456789")]
    assert storage.get("packs/1", offset=2, length=3) == b"234"
    line.plan = [said(200, b"0123456789")]
    assert storage.get("packs/1", offset=7) == b"789"


def test_the_page_of_a_hotel_is_no_empty_listing(storage: S3Storage, line: RoughLine):
    for call in [storage.check, lambda: [*storage.list()]]:
        line.plan = [said(200, b"<html><p>Please log in.</p></html>")]
        with pytest.raises(StorageError, match="not as an S3 store"):
            call()


def test_cold_storage_is_named(storage: S3Storage, line: RoughLine):
    line.plan = [refused(403, "InvalidObjectState")]
    with pytest.raises(StorageError, match="cold storage") as caught:
        storage.get("packs/1")
    assert not isinstance(caught.value, AccessDeniedError)


def test_what_is_not_known_is_told_in_the_stores_words(storage: S3Storage, line: RoughLine):
    line.plan = [refused(507, "XMinioStorageFull")]
    with pytest.raises(StorageError, match=r"packs/1: Said so \(S3: XMinioStorageFull\)") as caught:
        put(storage, "packs/1")
    assert not isinstance(caught.value, TransientStorageError)


# --- create -------------------------------------------------------------------------------------


def test_a_store_without_conditional_puts_still_creates(storage: S3Storage, line: RoughLine):
    line.plan = [smooth, refused(501, "NotImplemented")]
    storage.create("locks/1", b"mine", sha256=sha256(b"mine"))
    assert storage.get("locks/1") == b"mine"
    with pytest.raises(ObjectExistsError):
        storage.create("locks/1", b"yours", sha256=sha256(b"yours"))
    assert storage.get("locks/1") == b"mine"


def test_a_create_whose_answer_was_lost_is_known_again(storage: S3Storage, line: RoughLine):
    retrying = Retrying(storage, clock=FakeClock(), random=random.Random(1))
    line.plan = [smooth, answer_lost]
    retrying.create("locks/1", b"mine", sha256=sha256(b"mine"))
    assert storage.get("locks/1") == b"mine"


def test_a_key_that_may_not_look_creates_nothing(storage: S3Storage, line: RoughLine):
    line.plan = [refused(403, "AccessDenied")]
    with pytest.raises(AccessDeniedError):
        storage.create("locks/1", b"mine", sha256=sha256(b"mine"))
    assert [*storage.list()] == []


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


# --- what is set wrongly ------------------------------------------------------------------------


def test_a_wrong_key_is_named(config: RepositoryConfig):
    with opened(config, access_key_id="AKIAWRONG") as storage:
        with pytest.raises(AccessDeniedError, match="does not know this access key id"):
            storage.check()
        with pytest.raises(AccessDeniedError, match="does not know this access key id"):
            put(storage, "packs/1", bytes(20_000_000))
        with pytest.raises(AccessDeniedError):
            storage.stat("packs/1")


def test_a_wrong_secret_is_named_and_not_shown(
    config: RepositoryConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    wrong = tmp_path / "wrong"
    wrong.write_text("a-wrong-secret\n")
    with opened(config, secret_access_key_file=wrong) as storage:
        with pytest.raises(AccessDeniedError, match="secret does not belong") as caught:
            storage.check()
        assert "secret_access_key_file" in caught.value.hint
        shown = (
            f"{caught.value} {caught.value.__cause__!r} {storage!r} {vars(storage)} {caplog.text}"
        )
        assert "a-wrong-secret" not in shown


def test_a_missing_bucket_is_named(config: RepositoryConfig):
    with opened(config, url="s3://no-such-bucket/cloud") as storage:
        for call in [
            storage.check,
            lambda: put(storage, "packs/1"),
            lambda: storage.get("packs/1"),
            lambda: [*storage.list()],
        ]:
            with pytest.raises(NoRepositoryError, match="no bucket no-such-bucket"):
                call()


def test_a_missing_bucket_at_amazon_is_named(amazon: RepositoryConfig):
    missing = "no bucket no-such-bucket at Amazon S3 in eu-"
    with opened(amazon, url="s3://no-such-bucket/cloud") as storage:
        with pytest.raises(NoRepositoryError, match=missing) as caught:
            storage.check()
        assert "repository.url" in caught.value.hint


def test_a_wrong_region_at_amazon_names_the_right_one(amazon: RepositoryConfig):
    with opened(amazon) as storage:
        storage.check()
    with opened(amazon, region="us-west-2") as storage:
        with pytest.raises(StorageError, match="not in the region us-west-2") as caught:
            storage.check()
        assert 'repository.region = "eu-central-1"' in caught.value.hint


def test_a_wrong_region_elsewhere_names_the_right_one(storage: S3Storage, line: RoughLine):
    malformed = refused(400, "AuthorizationHeaderMalformed", "<Region>eu-south-7</Region>")
    line.plan = [malformed, malformed]
    with pytest.raises(StorageError, match="not in the region eu-central-1") as caught:
        storage.check()
    assert 'repository.region = "eu-south-7"' in caught.value.hint


@set_initial_no_auth_action_count(0)
def test_a_key_without_rights_is_told_what_it_needs(amazon: RepositoryConfig):
    with opened(amazon) as storage:
        with pytest.raises(AccessDeniedError):
            storage.check()
        with pytest.raises(AccessDeniedError):
            put(storage, "packs/1")


def test_denied_names_the_rights(storage: S3Storage, line: RoughLine):
    line.plan = [refused(403, "AccessDenied")]
    with pytest.raises(AccessDeniedError, match="does not allow this") as caught:
        storage.delete("packs/1")
    assert "s3:ListBucket" in caught.value.hint
    assert caught.value.name == "packs/1"


def test_an_endpoint_where_nothing_listens_is_named(config: RepositoryConfig):
    clock = FakeClock()
    config = msgspec.structs.replace(config, endpoint="http://127.0.0.1:9")
    storage = open_storage(config, clock=clock, random=random.Random(1))
    with pytest.raises(TransientStorageError, match=r"^http://127.0.0.1:9: cannot be reached") as c:
        storage.check()
    assert "repository.endpoint" in c.value.hint
    assert len(clock.slept) == 1
    storage.close()


def test_a_host_that_does_not_exist_is_named(config: RepositoryConfig):
    with opened(config, endpoint="http://store.invalid") as storage:
        with pytest.raises(TransientStorageError, match=r"store\.invalid: cannot be") as caught:
            storage.check()
        assert "repository.endpoint" in caught.value.hint


@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_wrong_clock_is_named(
    config: RepositoryConfig, monkeypatch: pytest.MonkeyPatch, minutes: int
):
    now = botocore.auth.get_current_datetime
    with opened(config) as storage:
        monkeypatch.setattr(
            botocore.auth,
            "get_current_datetime",
            lambda **options: now(**options) + dt.timedelta(minutes=minutes),
        )
        with pytest.raises(StorageError, match="clock is wrong") as caught:
            storage.check()
        assert not isinstance(caught.value, TransientStorageError | AccessDeniedError)


def test_a_certificate_that_nobody_vouches_for_is_refused(
    s3_tls: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    config = s3_tls.repository_config(s3_tls.new_bucket(), "cloud", tmp_path)
    with opened(config, ca_file=None) as storage:
        with pytest.raises(StorageError, match="cannot be trusted") as caught:
            storage.check()
        assert not isinstance(caught.value, TransientStorageError)
        assert "ca_file" in caught.value.hint


def test_a_certificate_of_another_host_is_refused(s3_tls: S3Server, tmp_path: Path):
    config = s3_tls.repository_config(s3_tls.new_bucket(), "cloud", tmp_path)
    with opened(config, endpoint=config.endpoint.replace("127.0.0.1", "localhost")) as storage:
        with pytest.raises(StorageError, match="cannot be trusted") as caught:
            storage.check()
        assert not isinstance(caught.value, TransientStorageError)


def test_https_to_a_port_that_speaks_http_is_named(config: RepositoryConfig):
    with opened(config, endpoint=config.endpoint.replace("http:", "https:")) as storage:
        with pytest.raises(StorageError, match="cannot be trusted") as caught:
            storage.check()
        assert "https" in caught.value.hint


# --- keys ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "cannot be read"), (b"", "empty"), (b"\n x", "empty"), (b"\xff\xfe", "not UTF-8")],
)
def test_a_secret_that_cannot_be_had_is_named(
    config: RepositoryConfig, tmp_path: Path, content: bytes | None, reason: str
):
    path = tmp_path / "other-secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"secret_access_key_file.*other-secret.*{reason}"):
        open_storage(
            msgspec.structs.replace(config, secret_access_key_file=path),
            clock=SystemClock(),
            random=random.Random(1),
        )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"access_key_id": None}, "belong together"),
        ({"secret_access_key_file": None}, "belong together"),
        ({"profile": "backup"}, "both given"),
        ({"region": "eu west 1"}, "region"),
        ({"endpoint": "s3.example.org"}, "no address"),
        ({"endpoint": "http://[::1"}, "endpoint"),
        ({"url": "s3://x"}, "no name for a bucket"),
        ({"url": "s3://bucket/a//b"}, "no prefix"),
        ({"url": "s3://bucket/a/../b"}, "no prefix"),
        ({"url": "ftp://bucket/a"}, "no place for backups"),
        ({"url": "file:///"}, "no place for backups"),
    ],
)
def test_a_contradiction_is_named(
    config: RepositoryConfig, changes: dict[str, object], reason: str
):
    changed = msgspec.structs.replace(config, **changes)
    with pytest.raises(ConfigError, match=reason):
        open_storage(changed, clock=SystemClock(), random=random.Random(1))


def test_a_missing_ca_file_is_named(config: RepositoryConfig, tmp_path: Path):
    changed = msgspec.structs.replace(config, ca_file=tmp_path / "none.pem")
    with pytest.raises(ConfigError, match=r"repository.ca_file: .*none.pem"):
        open_storage(changed, clock=SystemClock(), random=random.Random(1))


def no_key_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_no_key_at_all_is_named(
    config: RepositoryConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    no_key_of_ours(monkeypatch, tmp_path)
    with opened(config, access_key_id=None, secret_access_key_file=None) as storage:
        with pytest.raises(AccessDeniedError, match="no key for S3") as caught:
            storage.check()
        assert "access_key_id" in caught.value.hint


def test_a_profile_gives_the_key(
    config: RepositoryConfig, s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    no_key_of_ours(monkeypatch, tmp_path)
    (tmp_path / "aws-credentials").write_text(
        f"[backup]\naws_access_key_id={s3.access_key_id}\naws_secret_access_key={s3.secret}\n"
    )
    keyless = {"access_key_id": None, "secret_access_key_file": None}
    with opened(config, **keyless, profile="backup") as storage:
        storage.check()
    with pytest.raises(ConfigError, match="profile"), opened(config, **keyless, profile="other"):
        pass


def test_the_environment_gives_the_key_but_never_the_endpoint(
    config: RepositoryConfig, s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    no_key_of_ours(monkeypatch, tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    with opened(config, access_key_id=None, secret_access_key_file=None) as storage:
        storage.check()
    with opened(config, endpoint="") as storage:
        assert "amazonaws.com" in storage._client.meta.endpoint_url

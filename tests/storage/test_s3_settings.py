"""What is set wrongly for an S3 store is named, each by its own sentence."""

from __future__ import annotations

import datetime as dt
import logging
import random
from typing import TYPE_CHECKING

import botocore.auth
import msgspec
import pytest
from moto.core import set_initial_no_auth_action_count

from ocsnap.clock import SystemClock
from ocsnap.errors import (
    AccessDeniedError,
    ConfigError,
    NoRepositoryError,
    StorageError,
    TransientStorageError,
)
from ocsnap.storage.factory import open_storage
from tests.storage.fake_clock import FakeClock
from tests.storage.objects import opened, put
from tests.storage.rough_line import (
    refused,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ocsnap.config import RepositoryConfig
    from ocsnap.storage.s3 import S3Storage
    from tests.servers.s3 import S3Server
    from tests.storage.rough_line import RoughLine


def test_a_wrong_key_is_named(s3_config: RepositoryConfig):
    with opened(s3_config, access_key_id="AKIAWRONG") as storage:
        with pytest.raises(AccessDeniedError, match="does not know this access key id"):
            storage.check()
        with pytest.raises(AccessDeniedError, match="does not know this access key id"):
            put(storage, "packs/1", bytes(20_000_000))
        with pytest.raises(AccessDeniedError):
            storage.stat("packs/1")


def test_a_wrong_secret_is_named_and_not_shown(
    s3_config: RepositoryConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    wrong = tmp_path / "wrong"
    wrong.write_text("a-wrong-secret\n")
    with opened(s3_config, secret_access_key_file=wrong) as storage:
        with pytest.raises(AccessDeniedError, match="secret does not belong") as caught:
            storage.check()
        assert "secret_access_key_file" in caught.value.hint
        shown = (
            f"{caught.value} {caught.value.__cause__!r} {storage!r} {vars(storage)} {caplog.text}"
        )
        assert "a-wrong-secret" not in shown


def test_a_missing_bucket_is_named(s3_config: RepositoryConfig):
    with opened(s3_config, url="s3://no-such-bucket/cloud") as storage:
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


def test_a_wrong_region_elsewhere_names_the_right_one(rough_s3: S3Storage, line: RoughLine):
    malformed = refused(400, "AuthorizationHeaderMalformed", "<Region>eu-south-7</Region>")
    line.plan = [malformed, malformed]
    with pytest.raises(StorageError, match="not in the region eu-central-1") as caught:
        rough_s3.check()
    assert 'repository.region = "eu-south-7"' in caught.value.hint


@set_initial_no_auth_action_count(0)
def test_a_key_without_rights_is_told_what_it_needs(amazon: RepositoryConfig):
    with opened(amazon) as storage:
        with pytest.raises(AccessDeniedError):
            storage.check()
        with pytest.raises(AccessDeniedError):
            put(storage, "packs/1")


def test_denied_names_the_rights(rough_s3: S3Storage, line: RoughLine):
    line.plan = [refused(403, "AccessDenied")]
    with pytest.raises(AccessDeniedError, match="does not allow this") as caught:
        rough_s3.delete("packs/1")
    assert "s3:ListBucket" in caught.value.hint
    assert caught.value.name == "packs/1"


def test_an_endpoint_where_nothing_listens_is_named(s3_config: RepositoryConfig):
    clock = FakeClock()
    config = msgspec.structs.replace(s3_config, endpoint="http://127.0.0.1:9")
    storage = open_storage(config, clock=clock, random=random.Random(1))
    with pytest.raises(TransientStorageError, match=r"^http://127.0.0.1:9: cannot be reached") as c:
        storage.check()
    assert "repository.endpoint" in c.value.hint
    assert len(clock.slept) == 1
    storage.close()


def test_a_host_that_does_not_exist_is_named(s3_config: RepositoryConfig):
    with opened(s3_config, endpoint="http://store.invalid") as storage:
        with pytest.raises(TransientStorageError, match=r"store\.invalid: cannot be") as caught:
            storage.check()
        assert "repository.endpoint" in caught.value.hint


@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_wrong_clock_is_named(
    s3_config: RepositoryConfig, monkeypatch: pytest.MonkeyPatch, minutes: int
):
    now = botocore.auth.get_current_datetime
    with opened(s3_config) as storage:
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


def test_https_to_a_port_that_speaks_http_is_named(s3_config: RepositoryConfig):
    with opened(s3_config, endpoint=s3_config.endpoint.replace("http:", "https:")) as storage:
        with pytest.raises(StorageError, match="cannot be trusted") as caught:
            storage.check()
        assert "https" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "cannot be read"), (b"", "empty"), (b"\n x", "empty"), (b"\xff\xfe", "not UTF-8")],
)
def test_a_secret_that_cannot_be_had_is_named(
    s3_config: RepositoryConfig, tmp_path: Path, content: bytes | None, reason: str
):
    path = tmp_path / "other-secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"secret_access_key_file.*other-secret.*{reason}"):
        open_storage(
            msgspec.structs.replace(s3_config, secret_access_key_file=path),
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
    s3_config: RepositoryConfig, changes: dict[str, object], reason: str
):
    changed = msgspec.structs.replace(s3_config, **changes)
    with pytest.raises(ConfigError, match=reason):
        open_storage(changed, clock=SystemClock(), random=random.Random(1))


def test_a_missing_ca_file_is_named(s3_config: RepositoryConfig, tmp_path: Path):
    changed = msgspec.structs.replace(s3_config, ca_file=tmp_path / "none.pem")
    with pytest.raises(ConfigError, match=r"repository.ca_file: .*none.pem"):
        open_storage(changed, clock=SystemClock(), random=random.Random(1))


def no_key_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_no_key_at_all_is_named(
    s3_config: RepositoryConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    no_key_of_ours(monkeypatch, tmp_path)
    with opened(s3_config, access_key_id=None, secret_access_key_file=None) as storage:
        with pytest.raises(AccessDeniedError, match="no key for S3") as caught:
            storage.check()
        assert "access_key_id" in caught.value.hint


def test_a_profile_gives_the_key(
    s3_config: RepositoryConfig, s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    no_key_of_ours(monkeypatch, tmp_path)
    (tmp_path / "aws-credentials").write_text(
        f"[backup]\naws_access_key_id={s3.access_key_id}\naws_secret_access_key={s3.secret}\n"
    )
    keyless = {"access_key_id": None, "secret_access_key_file": None}
    with opened(s3_config, **keyless, profile="backup") as storage:
        storage.check()
    with pytest.raises(ConfigError, match="profile"), opened(s3_config, **keyless, profile="other"):
        pass


def test_the_environment_gives_the_key_but_never_the_endpoint(
    s3_config: RepositoryConfig, s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    no_key_of_ours(monkeypatch, tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    with opened(s3_config, access_key_id=None, secret_access_key_file=None) as storage:
        storage.check()
    with opened(s3_config, endpoint="") as storage:
        assert "amazonaws.com" in storage._client.meta.endpoint_url

"""Every storage that the contract is held against."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from ocsnap.clock import SystemClock
from ocsnap.config import RepositoryConfig
from ocsnap.storage.count import Counting
from ocsnap.storage.decorator import Decorator
from ocsnap.storage.factory import open_storage
from ocsnap.storage.faults import Faulty
from ocsnap.storage.limit import Limited
from ocsnap.storage.local import LocalStorage
from ocsnap.storage.memory import MemoryStorage
from ocsnap.storage.pace import Pace
from ocsnap.storage.retry import Retrying
from ocsnap.units import MIB
from tests.servers.s3 import running_s3
from tests.storage.objects import opened
from tests.storage.rough_line import rough_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ocsnap.storage.s3 import S3Storage
    from ocsnap.storage.storage import Storage
    from tests.servers.s3 import S3Server
    from tests.storage.rough_line import RoughLine

KINDS = [
    "memory",
    "local",
    "s3",
    "s3-tls",
    "s3-amazon",
    "decorator",
    "retrying",
    "counting",
    "faulty",
    "limited",
    "s3-limited",
    "s3-conditional",
]


@pytest.fixture(scope="session")
def s3_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3(tmp_path_factory.mktemp("s3-tls"), tls=True) as server:
        yield server


@pytest.fixture
def amazon(tmp_path: Path) -> Iterator[RepositoryConfig]:
    """A bucket of moto's, which answers in Amazon's place: no packet leaves the process."""
    with mock_aws():
        client = boto3.client("s3", region_name="eu-central-1")
        client.create_bucket(
            Bucket="oc-backup", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        secret_file = tmp_path / "amazon-secret"
        secret_file.write_text("a secret that moto takes, as it takes all\n")
        yield RepositoryConfig(
            url="s3://oc-backup/some/prefix",
            access_key_id="AKIAEXAMPLE",
            secret_access_key_file=secret_file,
        )
        client.close()


@pytest.fixture
def s3_config(s3: S3Server, tmp_path: Path) -> RepositoryConfig:
    return s3.repository_config(s3.new_bucket(), "cloud", tmp_path)


@pytest.fixture
def line(s3: S3Server) -> Iterator[RoughLine]:
    with rough_line(s3.endpoint) as line:
        yield line


@pytest.fixture
def rough_s3(s3_config: RepositoryConfig, line: RoughLine) -> Iterator[S3Storage]:
    """A bare storage at the other end of the rough line."""
    with opened(s3_config, endpoint=line.endpoint) as storage:
        yield storage


@pytest.fixture(params=KINDS)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    make: dict[str, Callable[[], Storage]] = {
        "memory": MemoryStorage,
        "local": lambda: LocalStorage(tmp_path / "repository"),
        "s3": lambda: _s3(request.getfixturevalue("s3"), tmp_path),
        "s3-tls": lambda: _s3(request.getfixturevalue("s3_tls"), tmp_path),
        "s3-conditional": lambda: _s3(request.getfixturevalue("conditional_s3"), tmp_path),
        "s3-amazon": lambda: _amazon(request.getfixturevalue("amazon")),
        "decorator": lambda: Decorator(MemoryStorage()),
        "retrying": lambda: Retrying(MemoryStorage(), clock=SystemClock(), random=random.Random(1)),
        "counting": lambda: Counting(MemoryStorage()),
        "faulty": lambda: Faulty(MemoryStorage(), []),
        "limited": lambda: _limited(MemoryStorage()),
        "s3-limited": lambda: _limited(_s3(request.getfixturevalue("s3"), tmp_path)),
    }
    opened = make[request.param]()
    yield opened
    opened.close()


def _s3(server: S3Server, tmp_path: Path) -> Storage:
    config = server.repository_config(server.new_bucket(), "some/prefix", tmp_path)
    return open_storage(config, clock=SystemClock(), random=random.Random(1))


def _limited(storage: Storage) -> Storage:
    """Limit the line, as far as a test can wait."""
    upload, download = (Pace(100 * MIB, SystemClock()) for _ in range(2))
    return Limited(storage, upload=upload, download=download)


def _amazon(config: RepositoryConfig) -> Storage:
    return open_storage(config, clock=SystemClock(), random=random.Random(1))

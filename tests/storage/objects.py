"""Short ways to put objects, and to open a bare S3 storage."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from ocsnap.storage.bucket import configured_bucket
from ocsnap.storage.s3 import S3Storage
from ocsnap.storage.s3_client import make_client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.config import RepositoryConfig
    from ocsnap.storage.storage import Buffer, Storage

NAME = "packs/ab/1"
DATA = b"what is in a pack" * 1000


def md5(data: Buffer) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def sha256(data: Buffer) -> str:
    return hashlib.sha256(data).hexdigest()


def put(storage: Storage, name: str = NAME, data: Buffer = DATA) -> None:
    storage.put(name, data, sha256=sha256(data))


def create(storage: Storage, name: str = NAME, data: Buffer = DATA) -> None:
    storage.create(name, data, sha256=sha256(data))


def room(size_bytes: int) -> memoryview:
    return memoryview(bytearray(size_bytes))


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

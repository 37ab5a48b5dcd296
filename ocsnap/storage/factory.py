"""Opens the storage that the configuration names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ocsnap.errors import ConfigError
from ocsnap.storage.count import Counting
from ocsnap.storage.limit import Limited
from ocsnap.storage.local import LocalStorage
from ocsnap.storage.pace import Pace
from ocsnap.storage.retry import Retrying
from ocsnap.units import rate

if TYPE_CHECKING:
    import random as randomness

    from ocsnap.clock import Clock
    from ocsnap.config import RepositoryConfig
    from ocsnap.storage.storage import Storage


def open_storage(config: RepositoryConfig, *, clock: Clock, random: randomness.Random) -> Counting:
    """Open the storage of a repository; nothing is sent yet.

    The counters are outermost, so that bytes and objects count once, when they are stored. The
    retries below them report each further attempt, so that requests count as the store sees them.

    Args:
        config: the configured repository.
        clock: what retries wait by.
        random: where their jitter comes from.

    Returns:
        The storage with its counters.

    Raises:
        ConfigError: the URL names no place for a storage, or the key's secret cannot be read.
    """
    retrying = Retrying(_limited(config, clock), clock=clock, random=random)
    counting = Counting(retrying)
    retrying.on_retry = lambda _: counting.add_request()
    return counting


def _limited(config: RepositoryConfig, clock: Clock) -> Storage:
    """Open the storage behind a limited line; attempts that fail use the line, too."""
    upload = _pace("limit_upload", config.limit_upload, clock)
    download = _pace("limit_download", config.limit_download, clock)
    backend = _open_backend(config, clock)
    if upload is None and download is None:
        return backend
    return Limited(backend, upload=upload, download=download)


def _open_backend(config: RepositoryConfig, clock: Clock) -> Storage:
    path = unquote(config.url.removeprefix("file://"))
    if config.url.startswith("file:///") and path.strip("/"):
        return LocalStorage(Path(path))
    if config.is_s3:
        return _open_s3(config, clock)
    raise ConfigError(
        f"repository.url: {config.url!r} is no place for backups.",
        hint="Write s3://bucket/prefix or file:///folder.",
    )


def _open_s3(config: RepositoryConfig, clock: Clock) -> Storage:
    # boto3 takes a tenth of a second to import: only who needs it waits for it.
    from ocsnap.storage.bucket import configured_bucket  # noqa: PLC0415 # as above
    from ocsnap.storage.object_lock import configured_lock  # noqa: PLC0415 # as above
    from ocsnap.storage.s3 import S3Storage  # noqa: PLC0415 # as above
    from ocsnap.storage.s3_client import make_client  # noqa: PLC0415 # as above

    bucket = configured_bucket(config)
    lock = configured_lock(config, clock.now)
    return S3Storage(make_client(config, amazon=bucket.amazon), bucket, lock)


def _pace(key: str, limit: str | None, clock: Clock) -> Pace | None:
    if limit is None:
        return None
    try:
        return Pace(rate(limit), clock)
    except ValueError as error:
        raise ConfigError(
            f"repository.{key}: {error}.", hint='Write for example "1MB/s" or "500KB/s".'
        ) from None

"""Which bucket of which S3 store, as the configuration says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ocsnap.errors import ConfigError
from ocsnap.storage.name import is_name

if TYPE_CHECKING:
    from ocsnap.config import RepositoryConfig

_AMAZON_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")


@dataclass(frozen=True)
class Bucket:
    """A place in an S3 store.

    Attributes:
        name: the bucket's name.
        prefix: what all keys begin with: empty, or with a slash at its end.
        region: the configured region.
        endpoint: the store, as messages name it.
        amazon: whether the store keeps and tells SHA-256 and knows conditional puts, as Amazon's.
    """

    name: str
    prefix: str
    region: str
    endpoint: str
    amazon: bool


def configured_bucket(config: RepositoryConfig) -> Bucket:
    """Read the bucket from the configuration.

    Args:
        config: the configured repository, its URL one of `s3://`.

    Returns:
        The bucket; whether it exists is not looked at.

    Raises:
        ConfigError: the URL names no bucket, or a prefix that some stores change or refuse, or the
            endpoint is no address.
    """
    name, _, prefix = config.url.removeprefix("s3://").partition("/")
    prefix = prefix.strip("/")
    if not _NAME.fullmatch(name):
        raise ConfigError(f"repository.url: {name!r} is no name for a bucket.")
    if prefix and not is_name(prefix):
        raise ConfigError(
            f"repository.url: {prefix!r} is no prefix that every store takes.",
            hint="Use letters, digits and - _ . between single slashes.",
        )
    return Bucket(
        name=name,
        prefix=f"{prefix}/" if prefix else "",
        region=config.region,
        endpoint=config.endpoint or f"Amazon S3 in {config.region}",
        amazon=not config.endpoint or _host(config.endpoint).endswith(_AMAZON_DOMAINS),
    )


def _host(endpoint: str) -> str:
    try:
        url = urlsplit(endpoint)
    except ValueError as error:
        raise ConfigError(f"repository.endpoint: {endpoint!r}: {error}.") from None
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise ConfigError(
            f"repository.endpoint: {endpoint!r} is no address.",
            hint="Write https://host or https://host:port.",
        )
    return url.hostname

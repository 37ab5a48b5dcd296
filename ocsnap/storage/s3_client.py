"""Makes the S3 client: which key, which endpoint, which of boto3's defaults to refuse.

It is the client that boto3 makes, but made by botocore itself: what boto3 adds, files that are sent
in parts by threads of its own, nobody here uses, and it takes a fifth of the time of the import.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError

from ocsnap.config import read_private
from ocsnap.errors import ConfigError
from ocsnap.storage.s3_models import new_session

if TYPE_CHECKING:
    from pathlib import Path

    from ocsnap.config import RepositoryConfig
    from ocsnap.storage.s3 import S3Client

CONNECTIONS = 8
"""Connections kept open, that is uploads and downloads at the same time."""

CONNECT_TIMEOUT_SECONDS = 10
READ_TIMEOUT_SECONDS = 60


def make_client(config: RepositoryConfig, *, amazon: bool) -> S3Client:
    """Make a client; nothing is sent yet.

    Signatures are always version 4: regions since Frankfurt know no other. Trying again is left to
    `Retrying`. The settings on checksums and payload signing are explained beside them.

    Args:
        config: the configured repository.
        amazon: whether the store is Amazon's own.

    Returns:
        A client that may be used from several threads.

    Raises:
        ConfigError: the key's secret or the profile cannot be had, or region or endpoint are no
            such thing.
    """
    try:
        session = new_session()
        for name in ("profile", "region"):
            if getattr(config, name) is not None:
                session.set_config_variable(name, getattr(config, name))
        if (key := _key(config)) is not None:
            session.set_credentials(*key)
        client: Any = session.create_client(
            "s3",
            endpoint_url=config.endpoint or None,
            verify=_certificates(config),
            config=_client_config(amazon=amazon),
        )
        if not amazon:
            client.meta.events.register("before-call.s3.DeleteObjects", _add_md5)
            client.meta.events.register("before-call.s3", _stay_here)
    except (BotoCoreError, ValueError, OSError) as error:
        raise ConfigError(
            f"repository: {str(error).rstrip('.')}.",
            hint="Check region, endpoint, profile and ca_file.",
        ) from error
    made: S3Client = client
    return made


def _add_md5(params: dict[str, Any], **_: object) -> None:
    """Give a request what older stores demand; boto3 sends a CRC-32, which they do not know."""
    digest = hashlib.md5(params["body"], usedforsecurity=False).digest()
    params["headers"]["Content-MD5"] = base64.b64encode(digest).decode("ascii")


def _stay_here(context: dict[str, Any], **_: object) -> None:
    """Keep botocore from asking for another region, over and over: there is one endpoint only."""
    context.setdefault("s3_redirect", {})["redirected"] = True


def _client_config(*, amazon: bool) -> Config:
    return Config(
        signature_version="s3v4",
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        max_pool_connections=CONNECTIONS,
        tcp_keepalive=True,
        retries={"mode": "standard", "total_max_attempts": 1},
        # An endpoint in ~/.aws or the environment would send the backup where nobody looks.
        ignore_configured_endpoint_urls=True,  # type: ignore[call-arg] # the stubs forgot it
        # boto3's default, a checksum in a trailer, is answered with 411 by Ceph and rclone over
        # TLS. The checksum that is wanted is given with each request.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={
            # Other stores rarely have a DNS name for each bucket.
            "addressing_style": "auto" if amazon else "path",
            # Each PUT carries a signed checksum of its body. Signing the body as well would hash
            # each pack once more and prove nothing more.
            "payload_signing_enabled": False,
        },
    )


def _key(config: RepositoryConfig) -> tuple[str, str] | None:
    secret_file = config.secret_access_key_file
    if config.access_key_id is None and secret_file is None:
        return None
    if config.access_key_id is None or secret_file is None:
        raise ConfigError(
            "repository: access_key_id and secret_access_key_file belong together.",
            hint="Give both, or neither to leave the search for a key to boto3.",
        )
    if config.profile is not None:
        raise ConfigError("repository: profile and access_key_id are both given.", hint="Keep one.")
    return config.access_key_id, _first_line(secret_file)


def _certificates(config: RepositoryConfig) -> str | None:
    if config.ca_file is None:
        return None
    if not config.ca_file.is_file():
        raise ConfigError(f"repository.ca_file: {config.ca_file}: there is no such file.")
    return str(config.ca_file)


def _first_line(path: Path) -> str:
    try:
        secret = read_private(path, key="repository.secret_access_key_file")
        lines = secret.decode("utf-8").splitlines()
    except OSError as error:
        raise ConfigError(
            f"repository.secret_access_key_file: {path}: cannot be read: {error.strerror}."
        ) from error
    except UnicodeDecodeError:
        # The bytes stay out of the message, and so out of every log: they may be the secret.
        raise ConfigError(
            f"repository.secret_access_key_file: {path}: is not UTF-8 text."
        ) from None
    first = lines[0].strip() if lines else ""
    if not first:
        raise ConfigError(
            f"repository.secret_access_key_file: {path}: its first line is empty.",
            hint="It must be the secret access key.",
        )
    return first

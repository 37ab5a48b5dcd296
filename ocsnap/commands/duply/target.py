"""Where duplicity's backups go, and what ocsnap calls that place."""

from __future__ import annotations

import itertools
import re
import shlex
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

_S3_SCHEMES: Final = frozenset({"s3", "s3+http", "boto3+s3", "boto+s3"})
_AMAZON: Final = re.compile(
    r"s3(?:[.-](?:dualstack\.)?(?P<region>[a-z]{2}-[a-z]+-\d))?\.amazonaws\.com"
)
_BELOW: Final = "ocsnap"
"""Folder for ocsnap's objects beside duplicity's, which stay what they are."""


@dataclass(frozen=True)
class Place:
    """A place for backups.

    Attributes:
        url: `repository.url`; None: ocsnap cannot store there.
        region: region of the bucket, where it can be told.
        endpoint: address of the store, if it is not Amazon's.
        user: key id that stands in the address.
        password: secret that stands in the address.
        remarks: what was taken for granted.
    """

    url: str | None
    region: str | None = None
    endpoint: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    remarks: tuple[str, ...] = ()


def read_target(target: str, parameters: str) -> Place:
    """Read duply's TARGET, with the parameters of duplicity that belong to it.

    The forms are those of duplicity's manual, "URL format" and "Notes on S3": `s3://host/bucket/...`
    and `s3+http://bucket/...` of the old boto, `boto3+s3://bucket/...` and `s3:///bucket/...` of
    the new one, with `--s3-endpoint-url` and `--s3-region-name`.

    Args:
        target: the address.
        parameters: `DUPL_PARAMS`.
    """
    scheme, _, rest = target.partition("://")
    if scheme == "file":
        folder = unquote(rest)
        folder = folder if folder.startswith("/") else f"/{folder}"
        return Place(f"file://{folder.rstrip('/')}/{_BELOW}")
    if scheme not in _S3_SCHEMES:
        return Place(None)
    return _s3(scheme, rest, _options(parameters))


def _s3(scheme: str, rest: str, options: dict[str, str]) -> Place:
    try:
        parts = urlsplit(f"s3://{rest}")
    except ValueError:
        return Place(None)  # brackets that belong to no IPv6 address
    names = [name for name in parts.path.split("/") if name]
    host = parts.netloc.rpartition("@")[2]
    endpoint = options.get("--s3-endpoint-url")
    region = options.get("--s3-region-name")
    remarks: list[str] = []
    if names and ((scheme == "s3" and "." in host) or ":" in host):
        amazon = _AMAZON.fullmatch(host)
        if amazon is None:
            plain = "--s3-unencrypted-connection" in options
            endpoint = endpoint or f"{'http' if plain else 'https'}://{host}"
            remarks.append(f"{host} is taken for the store, and {names[0]} for the bucket.")
        else:
            region = region or amazon["region"]
    elif host:
        names.insert(0, host)
    if "--s3-european-buckets" in options and region is None:
        region = "eu-west-1"
        remarks.append("--s3-european-buckets made buckets in eu-west-1: is it there?")
    if region is None and endpoint is None:
        remarks.append("The region is not told: give --region if it is not eu-central-1.")
    if not names:
        return Place(None)
    return Place(
        url=f"s3://{'/'.join([*names, _BELOW])}",
        region=region,
        endpoint=endpoint,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        remarks=tuple(remarks),
    )


def split_parameters(parameters: str) -> list[str]:
    """Return the words of a command line, as bash takes them.

    Args:
        parameters: `DUPL_PARAMS`.
    """
    try:
        return shlex.split(parameters)
    except ValueError:
        return parameters.split()  # a quotation that does not end


def _options(parameters: str) -> dict[str, str]:
    """Return the options of a command line, with or without an equals sign."""
    words = split_parameters(parameters)
    found: dict[str, str] = {}
    for word, following in itertools.pairwise([*words, ""]):
        if word.startswith("--"):
            name, sign, value = word.partition("=")
            found[name] = value if sign else ("" if following.startswith("-") else following)
    return found

"""What ocsnap works with, for reports of faults."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from typing import TYPE_CHECKING, Final

from ocsnap.errors import OcsnapError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGES: Final = ("boto3", "pymysql", "zstandard")
_MISSING: Final = "is missing"


def versions() -> Iterator[tuple[str, str]]:
    """Yield names and versions; of what is not installed it is said that it is missing."""
    import zstandard  # noqa: PLC0415 - only this one wants them all

    yield "python", platform.python_version()
    yield "librsync", _librsync()
    yield "gpg", _gpg()
    yield "zstd", ".".join(map(str, zstandard.ZSTD_VERSION))
    for name in _PACKAGES:
        yield name, _pymysql() if name == "pymysql" else _package(name)


def _package(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return _MISSING


def _pymysql() -> str:
    found = _package("pymysql")
    if found == _MISSING:
        return found
    from ocsnap.database.mysql.formatter import is_compiled  # noqa: PLC0415 - imports PyMySQL

    return found if is_compiled() else f"{found}, formatting without the compiled part"


def _librsync() -> str:
    from ocsnap.librsync.binding import version  # noqa: PLC0415 - loads the library
    from ocsnap.librsync.signer import is_compiled  # noqa: PLC0415 - the same

    try:
        found = version().removeprefix("librsync ")
    except OcsnapError:
        return _MISSING
    return found if is_compiled() else f"{found}, signing without the compiled part"


def _gpg() -> str:
    try:
        done = subprocess.run(
            ["gpg", "--version"],  # noqa: S607 - as gpg is found for backups
            check=False,
            capture_output=True,
            text=True,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return _MISSING
    # gpg (GnuPG) 2.4.7
    return done.stdout.partition("\n")[0].rpartition(" ")[2] or _MISSING

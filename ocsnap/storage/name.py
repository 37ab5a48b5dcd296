"""Which names an object may have: those that every store and every file system keeps as they are.

Keys with `//`, `..`, a leading `/`, or control characters fail on some S3 stores or name another
object there; a segment with a leading dot could be a file that is still being written (`local.py`)
or one that a store hides (rclone's `.rclone_temp_put_`).
"""

from __future__ import annotations

import re

_CHARACTERS = "A-Za-z0-9_.:=+@-"
_SEGMENT = rf"[A-Za-z0-9_][{_CHARACTERS}]{{0,199}}"
_NAME = re.compile(rf"{_SEGMENT}(/{_SEGMENT})*")
_PREFIX = re.compile(rf"({_SEGMENT}/)*({_SEGMENT})?")

MAX_LENGTH = 800
"""Longest name; S3 takes keys of 1024 bytes, the repository's own prefix included."""


def is_name(name: str) -> bool:
    """Say whether an object may be called so.

    Args:
        name: any text.

    Returns:
        True for a plain relative key; what else lies in a bucket or folder is none of ours.
    """
    return len(name) <= MAX_LENGTH and _NAME.fullmatch(name) is not None


def checked(name: str) -> str:
    """Return `name` if an object may be called so.

    Args:
        name: the name of an object.

    Returns:
        The same name.

    Raises:
        ValueError: it is not a plain relative key.
    """
    if not is_name(name):
        raise ValueError(f"{name[:MAX_LENGTH]!r} is no name for an object")
    return name


def checked_prefix(prefix: str) -> str:
    """Return `prefix` if the name of an object may begin so.

    Args:
        prefix: the beginning of a name, or nothing.

    Returns:
        The same prefix.

    Raises:
        ValueError: no name can begin so.
    """
    if len(prefix) > MAX_LENGTH or not _PREFIX.fullmatch(prefix):
        raise ValueError(f"{prefix[:MAX_LENGTH]!r} begins no name of an object")
    return prefix


def check_range(offset: int, length: int | None) -> None:
    """Refuse a part of an object that cannot be.

    Args:
        offset: where it begins; bytes.
        length: its length; bytes; None: to the end.

    Raises:
        ValueError: one of them is negative.
    """
    if offset < 0 or (length is not None and length < 0):
        raise ValueError(f"no part of an object begins at {offset} with {length} bytes")

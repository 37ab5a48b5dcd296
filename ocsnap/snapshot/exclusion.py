"""Patterns of paths to leave out.

A pattern without a slash is compared with each name, one with a slash, be it at its beginning, with
the whole path below the data directory. `*` and `?` stop at slashes, `**` does not, `[...]` is a
set; as in gitignore(5). What a pattern names is left out with everything below it.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Exclusion:
    """Says of a path whether it is left out.

    Attributes:
        digest: stands for the rules: other rules, another digest.
    """

    def __init__(
        self, patterns: Sequence[str], *, below: bytes = b"", paths: Sequence[bytes] = ()
    ) -> None:
        """Compile the patterns.

        Args:
            patterns: what to leave out.
            paths: paths below the root that are left out just as they are written.
            below: where the paths that will be asked about lie, relative to the data directory.
        """
        self._paths = frozenset(paths)
        self.digest = _digest([*patterns, ""], below, sorted(paths))
        self._below = below + b"/" if below else b""
        whole: list[bytes] = []
        names: list[bytes] = []
        for pattern in patterns:
            (whole if "/" in pattern.rstrip("/") else names).append(_regex(pattern.strip("/")))
        self._whole = re.compile(b"|".join(whole), re.DOTALL) if whole else None
        self._names = re.compile(b"|".join(names), re.DOTALL) if names else None

    def matches(self, folder: bytes, name: bytes) -> bool:
        """Return whether to leave out a name.

        Args:
            folder: the folder it lies in, relative to the root; empty or with a slash at its end.
            name: the name.
        """
        if self._paths and folder + name in self._paths:
            return True
        if self._names is not None and self._names.fullmatch(name):
            return True
        return self._whole is not None and bool(self._whole.fullmatch(self._below + folder + name))


def _digest(patterns: list[str], below: bytes, paths: list[bytes]) -> str:
    rules = [pattern.encode("utf-8", "surrogateescape") for pattern in patterns]
    return hashlib.sha256(b"\0".join([*rules, below, *paths])).hexdigest()


def _regex(pattern: str) -> bytes:
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern)
    return b"(?:" + b"".join(_part(part) for part in parts) + b")"


def _part(part: str) -> bytes:
    wild = {"**/": b"(?:.*/)?", "**": b".*", "*": b"[^/]*", "?": b"[^/]"}
    if part in wild:
        return wild[part]
    if part.startswith("[") and part.endswith("]") and len(part) > 2:
        body = part[1:-1].replace("\\", r"\\")
        return ("[" + ("^" + body[1:] if body[0] == "!" else body) + "]").encode()
    return re.escape(part).encode("utf-8", "surrogateescape")

"""Patterns of paths to leave out.

A pattern without a slash is compared with each name, one with a slash, be it at its beginning, with
the whole path below the data directory. `*` and `?` stop at slashes, `**` does not, `[...]` is a
set; as in gitignore(5). What a pattern names is left out with everything below it.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WILD: Final = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
_STARS: Final = re.compile(r"\*+")
_MEMBERS: Final = r"(?:\][^\]]*|[^\]]+)"
_PARTS: Final = re.compile(
    rf"(\*\*/|\*\*|\*|\?|\[(?:[!^]{_MEMBERS}|(?![!^]){_MEMBERS})\])", re.DOTALL
)
_RANGES: Final = re.compile(r"(.)(?:-(.))?", re.DOTALL)


class Exclusion:
    """Says of a path whether it is left out.

    Attributes:
        digest: stands for the rules: other rules, another digest.
    """

    def __init__(
        self,
        patterns: Sequence[str],
        *,
        below: bytes = b"",
        paths: Sequence[bytes] = (),
        kept: Sequence[bytes] = (),
    ) -> None:
        """Compile the patterns.

        Args:
            patterns: what to leave out.
            paths: paths below the root that are left out just as they are written.
            below: where the paths that will be asked about lie, relative to the data directory.
            kept: paths below the root that no pattern leaves out, nor anything in them, nor the
                folders that they lie in.
        """
        self._paths = frozenset(paths)
        self._kept = tuple(path + b"/" for path in kept)
        self.digest = _digest([*patterns, ""], below, [*sorted(paths), *sorted(self._kept)])
        self._below = below + b"/" if below else b""
        whole: list[str] = []
        names: list[str] = []
        for pattern in patterns:
            if "/" in pattern.rstrip("/"):
                whole.append(_regex(pattern.strip("/")))
            else:
                # In a name there is no slash that `**` could go beyond.
                names.append(_regex(_STARS.sub("*", pattern.strip("/"))))
        self._whole = re.compile("|".join(whole), re.DOTALL) if whole else None
        self._names = re.compile("|".join(names), re.DOTALL) if names else None
        self._any = re.compile(f"/(?:{'|'.join(names)})/", re.DOTALL) if names else None

    def matches(self, folder: bytes, name: bytes) -> bool:
        """Return whether to leave out a name.

        Args:
            folder: the folder it lies in, relative to the root; empty or with a slash at its end.
            name: the name.
        """
        return self.within(folder)(name)

    def within(self, folder: bytes) -> Callable[[bytes], bool]:
        """Return what says of the names in one folder whether they are left out.

        Args:
            folder: relative to the root; empty or with a slash at its end.
        """
        length = len(folder)
        left_out = {path[length:] for path in self._paths if path.startswith(folder)}
        if any(folder.startswith(kept) for kept in self._kept):
            return left_out.__contains__
        inner = (kept[length:] for kept in self._kept if kept.startswith(folder))
        kept_names = {rest.partition(b"/")[0] for rest in inner}
        names, whole = self._names, self._whole
        before = _text(self._below + folder)

        def matches(name: bytes) -> bool:
            if name in left_out:
                return True
            if name in kept_names:
                return False
            text = name.decode("utf-8", "surrogateescape")
            if names is not None and names.fullmatch(text):
                return True
            return whole is not None and bool(whole.fullmatch(before + text))

        return matches if names is not None or whole is not None else left_out.__contains__

    def choose(self, folder: bytes, names: bytes) -> bytes | None:
        """Return which of the names in one folder are left out.

        Args:
            folder: relative to the root; empty or with a slash at its end.
            names: the names, each followed by a slash.

        Returns:
            A byte for each, 1 if it is left out; None: none is.
        """
        if self._leaves_out_none(folder, names):
            return None
        leaves_out = self.within(folder)
        return bytes(leaves_out(name) for name in names.split(b"/")[:-1])

    def _leaves_out_none(self, folder: bytes, names: bytes) -> bool:
        """Return whether that can be said of all names at once, as it mostly can."""
        if self._whole is not None or any(path.startswith(folder) for path in self._paths):
            return False
        return self._any is None or not self._any.search("/" + _text(names))


def _digest(patterns: list[str], below: bytes, paths: list[bytes]) -> str:
    rules = [pattern.encode("utf-8", "surrogateescape") for pattern in patterns]
    return hashlib.sha256(b"\0".join([*rules, below, *paths])).hexdigest()


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _regex(pattern: str) -> str:
    return "(?:" + "".join(_part(part) for part in _PARTS.split(pattern)) + ")"


def _part(part: str) -> str:
    if part in _WILD:
        return _WILD[part]
    return _set(part[1:-1]) if _PARTS.fullmatch(part) else re.escape(part)


def _set(body: str) -> str:
    """Return what matches one character of a set; a slash never is."""
    negated = body[0] in "!^"
    ranges = _RANGES.findall(body[1:] if negated else body)
    members = "".join(
        f"{re.escape(first)}-{re.escape(last or first)}"
        for first, last in ranges
        if first <= (last or first)
    )
    if negated:
        return f"[^/{members}]"
    return f"(?!/)[{members}]" if members else "(?!)"

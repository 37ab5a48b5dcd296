"""What a snapshot has, as a cross-check writes it down, and what ownCloud need not know of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.commands.backup.sources import data_sources
from ocsnap.commands.cross_check.book import Kind, Present
from ocsnap.owncloud.homes import Home
from ocsnap.repository.snapshot import RootKind
from ocsnap.repository.tree import Extent
from ocsnap.snapshot.promise import Promise

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ocsnap.repository.snapshot import Root, Snapshot
    from ocsnap.repository.tree import Entry
    from ocsnap.snapshot.exclusion import Exclusion
    from ocsnap.snapshot.listings import Listings

LISTED_FOLDERS: Final = (b"files/", b"files_versions/", b"files_trashbin/")
"""Folders of a home in which ownCloud has a row for every file. In the others rows come and go."""

_NEVER_LISTED: Final = (b".htaccess",)
"""ownCloud 10, lib/private/Files/Filesystem.php, isFileBlacklisted()."""

_PIECES: Final = msgspec.msgpack.Decoder(list[Extent])


def roots_of(snapshot: Snapshot) -> list[Root]:
    """Return the roots that ownCloud keeps rows for."""
    return [root for root in snapshot.roots if root.kind in {RootKind.DATA, RootKind.HOME}]


def items(root: Root, number: int, listings: Listings, *, contents: bool) -> Iterator[Present]:
    """Walk a root.

    Args:
        root: the root.
        number: what to call it.
        listings: reads its directories.
        contents: whether to tell where the contents lie.

    Yields:
        All that is in it, itself excepted.

    Raises:
        DamagedError: a listing is lost.
    """
    promise = Promise(root)
    waiting = [(b"", root.entry)]
    while waiting:
        folder, directory = waiting.pop()
        for entry in listings.of(directory):
            promise.take(entry)
            path = folder + entry.name
            if entry.is_directory:
                waiting.append((path + b"/", entry))
            yield _present(number, path, entry, contents=contents)


def _present(number: int, path: bytes, entry: Entry, *, contents: bool) -> Present:
    kind = Kind.FOLDER if entry.is_directory else Kind.FILE if entry.is_file else Kind.OTHER
    seconds = entry.mtime_ns // 10**9
    content = b""
    if contents and kind is Kind.FILE:
        content = msgspec.msgpack.encode(entry.pieces())
    return Present(number, path, kind, entry.size_bytes, seconds, entry.unsteady, content)


def pieces_of(content: bytes) -> list[Extent]:
    """Return the pieces that `Present.content` tells."""
    return _PIECES.decode(content)


def must_be_listed(root: Root, path: bytes) -> bool:
    """Return whether ownCloud should have a row for a file.

    Args:
        root: the root it lies in.
        path: its path in there.
    """
    if root.kind is not RootKind.HOME or not path.startswith(LISTED_FOLDERS):
        return False
    name = path.rpartition(b"/")[2]
    return name not in _NEVER_LISTED and not name.endswith(b".part")


class LeftOut:
    """Knows what a backup leaves out.

    Attributes:
        certain: whether the rules are those by which the snapshot was made.
    """

    def __init__(self, snapshot: Snapshot, roots: Sequence[Root], exclude: Sequence[str]) -> None:
        """Make the rules.

        Args:
            snapshot: the snapshot.
            roots: `roots_of` it.
            exclude: the configured patterns.
        """
        cloud = snapshot.owncloud
        homes = [
            Home(root.name, Path(os.fsdecode(root.path)), None)
            for root in roots
            if root.kind is RootKind.HOME
        ]
        file = Path(cloud.database_name) if cloud.database_kind == "sqlite3" else None
        sources = data_sources(Path(cloud.data_dir), homes, exclude, file)
        rules = {(source.kind, source.name): source.exclusion for source in sources}
        self._rules = [rules[root.kind, root.name] for root in roots]
        # Those of the data directory also depend on where the keys of encryption are.
        self.certain = all(
            rule.digest == root.rules
            for rule, root in zip(self._rules, roots, strict=True)
            if root.kind is RootKind.HOME
        )

    def matches(self, number: int, path: bytes) -> bool:
        """Return whether a path, or a folder that it lies in, is left out of a root."""
        rule: Exclusion = self._rules[number]
        folder = b""
        for name in path.split(b"/"):
            if rule.matches(folder, name):
                return True
            folder += name + b"/"
        return False

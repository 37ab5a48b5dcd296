"""Archiving streams that are no files, such as the tables of a database dump."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from ocsnap.errors import DamagedError, NoSecretKeyError, ObjectMissingError
from ocsnap.repository import tree
from ocsnap.repository.snapshot import Root, RootKind
from ocsnap.repository.tree import Entry
from ocsnap.snapshot.content import ContentStore
from ocsnap.snapshot.directory import store_listing
from ocsnap.snapshot.statistics import Statistics

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ocsnap.clock import Clock
    from ocsnap.monitor import Monitor
    from ocsnap.repository.repository import Repository

_FILE_MODE: Final = stat.S_IFREG | 0o600
_FOLDER_MODE: Final = stat.S_IFDIR | 0o700


class Stream(NamedTuple):
    """Content with a name.

    Attributes:
        name: a relative path.
        expected_bytes: about how long it is; 0 where nobody knows.
        chunks: its content.
    """

    name: str
    expected_bytes: int
    chunks: Iterable[bytes]


class ArchivedStreams(NamedTuple):
    """What came of several streams.

    Attributes:
        root: their tree.
        statistics: their figures.
    """

    root: Root
    statistics: Statistics


class StreamArchiver:
    """Stores streams one after the other, each as a delta of what had its name before."""

    def __init__(self, repository: Repository, *, clock: Clock, monitor: Monitor) -> None:
        """Keep where content goes to."""
        self._repository = repository
        self._clock = clock
        self._monitor = monitor
        self._store = ContentStore(writer=repository.writer, reader=repository.reader)

    def archive(
        self, streams: Iterable[Stream], name: str, previous: Root | None
    ) -> ArchivedStreams:
        """Archive streams as the files of one tree.

        Args:
            streams: the streams; each is read to its end before the next.
            name: what they are together.
            previous: the tree of the parent snapshot.

        Returns:
            Their tree, stored once the repository was flushed.

        Raises:
            OcsnapError: a stream failed, or cannot be stored: then there is no tree.
        """
        old = dict(self._files(previous.entry, b"")) if previous else {}
        figures = Statistics()
        now_ns = int(self._clock.now() * 1e9)
        folder = _Folder()
        for stream in streams:
            path = stream.name.encode()
            self._monitor.at(stream.name)
            entry = self._archive_one(stream, old.get(path), now_ns, figures)
            folder.add(path.split(b"/"), entry)
        entry = folder.entry(b"", self._repository, now_ns)
        root = Root(
            kind=RootKind.DATABASE,
            name=name,
            path=name.encode(),
            entry=entry,
            files=entry.entries,
            size_bytes=entry.size_bytes,
        )
        return ArchivedStreams(root, figures)

    def _archive_one(
        self, stream: Stream, previous: Entry | None, now_ns: int, figures: Statistics
    ) -> Entry:
        expected_bytes = stream.expected_bytes
        if previous is not None:
            expected_bytes = max(expected_bytes, previous.size_bytes)
        stored = self._store.store_stream(
            self._counted(stream.chunks),
            previous,
            expected_bytes=expected_bytes,
            may_give_up=False,
        )
        figures.source_files += 1
        figures.source_file_bytes += stored.size_bytes
        figures.raw_delta_bytes += stored.new_bytes
        figures.deduplicated_bytes += stored.size_bytes - stored.new_bytes
        name = stream.name.rpartition("/")[2].encode()
        if previous is not None and previous.content == stored.content:
            return msgspec.structs.replace(
                previous,
                extents=stored.extents,
                signature=stored.signature,
                signed=stored.signed,
            )
        return Entry(
            name,
            _FILE_MODE,
            0,
            0,
            now_ns,
            now_ns,
            0,
            stored.size_bytes,
            content=stored.content,
            extents=stored.extents,
            signature=stored.signature,
            signed=stored.signed,
        )

    def _counted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._monitor.advance(size_bytes=len(chunk))
            yield chunk

    def _files(self, folder: Entry, path: bytes) -> Iterator[tuple[bytes, Entry]]:
        try:
            listing = tree.decode(self._repository.reader.load_all(folder.subtree))
        except (DamagedError, ObjectMissingError, NoSecretKeyError) as error:
            self._monitor.note(f"Streams are stored whole: {error.message}")
            return
        for entry in listing:
            if entry.is_directory:
                yield from self._files(entry, path + entry.name + b"/")
            else:
                yield path + entry.name, entry


class _Folder:
    """A folder of the tree while it is being filled."""

    def __init__(self) -> None:
        self._files: dict[bytes, Entry] = {}
        self._folders: dict[bytes, _Folder] = {}

    def add(self, path: list[bytes], entry: Entry) -> None:
        if len(path) == 1:
            self._files[path[0]] = entry
        else:
            self._folders.setdefault(path[0], _Folder()).add(path[1:], entry)

    def entry(self, name: bytes, repository: Repository, now_ns: int) -> Entry:
        entries = [*self._files.values()]
        entries += [inner.entry(key, repository, now_ns) for key, inner in self._folders.items()]
        folder = Entry(name, _FOLDER_MODE, 0, 0, now_ns, now_ns, 0)
        return store_listing(folder, entries, repository.writer)

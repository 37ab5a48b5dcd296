"""The files of a cross-check: those in a repository, or those that a restore has brought back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ocsnap.commands.cross_check.book import Book, Present, Wanted
    from ocsnap.repository.snapshot import Root


class ContentPlace(NamedTuple):
    """Where a file's content begins.

    Attributes:
        pack: name of the pack; empty for a file of its own.
        offset: where in there; bytes.
    """

    pack: str
    offset: int


class Judge(Protocol):
    """Is told of contents."""

    def same(self, file: Wanted) -> None:
        """A file has the content that ownCloud knows."""
        ...

    def differs(self, file: Wanted, names: list[str]) -> None:
        """A file has another content: these checksums differ."""
        ...

    def unreadable(self, file: Wanted, reason: str) -> None:
        """A file's content is damaged."""
        ...


class Side(Protocol):
    """The files.

    Attributes:
        has_contents: whether contents shall be compared at all.
    """

    has_contents: bool

    def items(self, roots: Sequence[Root]) -> Iterator[Present]:
        """Yield all that is in some roots, each root by its number in `roots`."""
        ...

    def place(self, file: Present) -> ContentPlace | None:
        """Return where the content of a file that is not empty begins; None if it is lost."""
        ...

    def wants(self, pack: str) -> bool:
        """Return whether contents that begin in a pack shall be compared."""
        ...

    def compare(self, book: Book, judge: Judge) -> None:
        """Compare the contents that the book wants compared, and tell the judge of each.

        Raises:
            OcsnapError: they cannot be read.
        """
        ...

"""What is asked of every program that is compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.servers.owncloud_site import Site
    from tests.servers.s3 import S3Server


@dataclass(frozen=True)
class Place:
    """Where a program works.

    Attributes:
        site: the ownCloud whose data directory is backed up.
        store: the S3 server.
        bucket: a bucket that is empty at first.
        folder: a folder for all else, empty at first.
    """

    site: Site
    store: S3Server
    bucket: str
    folder: Path

    @property
    def bucket_folder(self) -> Path:
        """The folder in which the store keeps the bucket."""
        return self.store.data / self.bucket

    def s3_environment(self) -> dict[str, str]:
        """Return the key to the bucket as all programs read it."""
        return {
            "HOME": str(self.folder),
            "AWS_ACCESS_KEY_ID": self.store.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.store.secret,
            "AWS_DEFAULT_REGION": self.store.region,
            # Newer ones send a checksum behind the body, which rclone does not take.
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        }


@dataclass(frozen=True)
class Command:
    """What to run.

    Attributes:
        words: the program and its arguments.
        environment: variables besides ours.
        folder: where it runs.
    """

    words: tuple[str | Path, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    folder: Path | None = None


class Program(Protocol):
    """A program with a new, empty repository of its own.

    What it does not do, or what would not be compared fairly, is None.
    """

    @property
    def repository(self) -> Path:
        """Where the bytes that it stored lie."""
        ...

    def prepare(self) -> list[Command]:
        """Return what makes the repository, which is not measured."""
        ...

    def backup(self, number: int) -> Command | None:
        """Return what makes a backup; the first one has the number 0."""
        ...

    def restore(self, target: Path) -> Command | None:
        """Return what restores the latest backup into a folder that is there and empty."""
        ...

    def restored(self, target: Path) -> Path:
        """Return where the data directory is then found."""
        ...

    def verify(self) -> Command | None:
        """Return what reads all that is stored and says whether it is sound."""
        ...

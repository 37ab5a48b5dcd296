"""Which repository lies in a storage: what `ocsnap.json` says, and what everything else says.

No hash is in its name, so it is believed only where nothing contradicts it. Where it is lost, what
this host knows tells which repository it is, then the snapshots, then the marks.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from ocsnap.errors import (
    CryptoError,
    DamagedError,
    LaterFormatError,
    LocalIOError,
    NoRepositoryError,
    ObjectMissingError,
)
from ocsnap.repository import description as descriptions
from ocsnap.repository import index as indexes
from ocsnap.repository import marks as marking
from ocsnap.repository import snapshot as snapshots
from ocsnap.repository.blob import NOT_SOUND, BlobKind
from ocsnap.repository.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ocsnap.crypto import Cipher
    from ocsnap.repository.description import Description
    from ocsnap.storage.storage import Storage

CACHE_FILE: Final = "cache.db"
_ID: Final = re.compile(descriptions.ID_PATTERN)
_CONTENTS: Final = (*(f"{kind.value}/" for kind in BlobKind), indexes.FOLDER, snapshots.FOLDER)
_MISSING: Final = "it is missing"
_IF_DAMAGED: Final = (
    f"If that is right, {descriptions.NAME} is damaged: delete this object and run `ocsnap repair`."
)


class Identity(NamedTuple):
    """Which repository it is.

    Attributes:
        repository: its id.
        fault: what is wrong with its description; None: nothing.
    """

    repository: str
    fault: str | None = None


def read_description(storage: Storage) -> Description:
    """Return what a repository says of itself.

    Args:
        storage: where it lies.

    Raises:
        NoRepositoryError: it says nothing.
        DamagedError: that cannot be read.
    """
    try:
        return descriptions.decode(storage.get(descriptions.NAME))
    except ObjectMissingError:
        raise NoRepositoryError(
            "There is no ocsnap repository at repository.url.",
            hint="The first `ocsnap backup` makes one; check the URL if there should be one.",
        ) from None


def identify(storage: Storage, cipher: Cipher, *, state_dir: Path, reads_only: bool) -> Identity:
    """Find out which repository lies in a storage, whatever has become of its description.

    Args:
        storage: where it lies.
        cipher: what is configured to unlock it.
        state_dir: the folder with the caches of this host.
        reads_only: whether nothing will be written: then snapshots that `cipher` opens are enough,
            even if the description names another kind of key or a later format.

    Raises:
        NoRepositoryError: there is none.
        CryptoError: it was made with another key.
        DamagedError: nothing tells which it is, or it is of a later format.
    """
    witnesses = _Witnesses(storage, cipher, state_dir)
    try:
        description = read_description(storage)
        _demand_agreement(description, cipher)
    except NoRepositoryError:
        if not any(any(storage.list(folder)) for folder in _CONTENTS):
            raise
        fault = _MISSING
    except (CryptoError, LaterFormatError) as error:
        if not reads_only or not cipher.can_decrypt or not any(witnesses.of_snapshots()):
            raise
        fault = error.message.rstrip(".")
    except DamagedError as error:
        fault = error.message.rstrip(".")
    else:
        if witnesses.uphold(description.repository):
            return Identity(description.repository)
        fault = "it is that of another repository than the snapshots"
    repository = witnesses.agreed()
    if repository is None:
        raise DamagedError(
            f"{descriptions.NAME}: {fault}, and nothing else tells which repository this is.",
            name=descriptions.NAME,
            hint="Try it on the host that backed up, or on one that has the key: docs/rescue.md.",
        )
    return Identity(repository, fault)


def _demand_agreement(description: Description, cipher: Cipher) -> None:
    """See that the repository was made for the configured key.

    Raises:
        CryptoError: it was not.
    """
    if description.cipher != cipher.mode:
        raise CryptoError(
            f"The repository was made with a {description.cipher}, "
            f"the configuration has a {cipher.mode}.",
            hint=f"Check the section [encryption]. {_IF_DAMAGED}",
        )
    if set(description.recipients) != set(cipher.recipients):
        raise CryptoError(
            f"The repository was made for {', '.join(description.recipients)}, "
            f"the configuration names {', '.join(cipher.recipients)}.",
            hint="What is there stays as it is locked: back up for other recipients elsewhere. "
            f"{_IF_DAMAGED}",
        )


class _Witnesses:
    """Those who tell which repository lies in a storage."""

    def __init__(self, storage: Storage, cipher: Cipher, state_dir: Path) -> None:
        self._storage = storage
        self._cipher = cipher
        self._state_dir = state_dir

    def uphold(self, repository: str) -> bool:
        """Return whether nothing contradicts what the description says.

        A host that has snapshots of this repository in its cache asks nobody.
        """
        file = self._state_dir / repository / CACHE_FILE
        if file.exists() and _held(file, only_snapshots=True):
            return True
        by_others = self._of_caches()
        if by_others:
            return by_others.most_common(1)[0][0] == repository
        if not self._cipher.can_decrypt:
            return True
        others = False
        for told in self.of_snapshots():
            if told == repository:
                return True  # whoever can add snapshots shall not be able to hide the others
            others = True
        return not others

    def agreed(self) -> str | None:
        """Return the id that the best witnesses tell, or most of them."""
        for told in (self._of_caches, self._of_snapshots, self._of_marks):
            found: Counter[str] = told()
            if found:
                return found.most_common(1)[0][0]
        return None

    def of_snapshots(self) -> Iterator[str]:
        """Yield what each snapshot says that can be read.

        Raises:
            CryptoError: none can, for our key opens none of them.
        """
        refused: CryptoError | None = None
        opened = False
        for info in self._storage.list(snapshots.FOLDER):
            try:
                told = self._told_by(info.name)
            except (DamagedError, ObjectMissingError):
                continue
            except CryptoError as error:
                refused = error  # one of them may be somebody else's
                continue
            opened = True
            if _ID.match(told):
                yield told
        if refused and not opened:
            raise refused

    def _told_by(self, name: str) -> str:
        message = self._storage.get(name)
        if hashlib.sha256(message).hexdigest() != snapshots.id_of(name):
            raise DamagedError(f"{name} is damaged.", name=name)
        content = self._cipher.decrypt(message, signed=True)
        return snapshots.decode(content, name=name).repository

    def _of_snapshots(self) -> Counter[str]:
        return Counter(self.of_snapshots() if self._cipher.can_decrypt else ())

    def _of_caches(self) -> Counter[str]:
        """Ask the caches of this host which of their objects are in the storage."""
        files = local_caches(self._state_dir)
        if not files:
            return Counter()
        folders = (snapshots.FOLDER, indexes.FOLDER)
        listed = {info.name for folder in folders for info in self._storage.list(folder)}
        found: Counter[str] = Counter()
        for file in files:
            with suppress(LocalIOError):  # that of another repository may be rubbish
                found[file.parent.name] = len(_held(file) & listed)
        return +found

    def _of_marks(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for info in self._storage.list(marking.FOLDER):
            try:
                marks = msgspec.json.decode(self._storage.get(info.name), type=marking.Marks)
            except (ObjectMissingError, *NOT_SOUND):
                continue
            if _ID.match(marks.repository):
                found[marks.repository] += 1
        return found


def local_caches(state_dir: Path) -> list[Path]:
    """Return the caches of all repositories that this host has been at work on.

    Args:
        state_dir: the folder that they are in.
    """
    return [
        file
        for file in state_dir.glob(f"*/{CACHE_FILE}")
        if _ID.match(file.parent.name) and file.is_file()
    ]


def _held(file: Path, *, only_snapshots: bool = False) -> set[str]:
    """Return the objects that a cache knows and that no other repository has."""
    cache = Cache(file)
    try:
        held = cache.held_snapshots()
        if not only_snapshots:
            held |= {indexes.index_name(index) for index in cache.index_ids()}
        return held
    finally:
        cache.close()

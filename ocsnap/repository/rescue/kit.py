"""The rescue kit: two objects in clear text, so that a repository can be read without ocsnap.

They are named by their SHA-256 as all objects are, so a later ocsnap puts its own beside them and
overwrites none. Which of them are genuine each snapshot says (`Snapshot.rescue`): whoever can write
to the bucket could put a script there that steals the passphrase.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from ocsnap.repository.cache import Cache
    from ocsnap.storage.storage import Storage

FOLDER: Final = "rescue/"
_FILES: Final = ("ocsnap-rescue.py", "format.md")
_STORED: Final = "rescue objects that are stored"


class RescueFile(NamedTuple):
    """One of the files.

    Attributes:
        name: its object's name.
        sha256: SHA-256 of its bytes, in hexadecimal.
        data: its bytes.
    """

    name: str
    sha256: str
    data: bytes


def files() -> list[RescueFile]:
    """Return the files of this version of ocsnap."""
    folder = resources.files(__package__)
    found = []
    for name in _FILES:
        data = folder.joinpath(name).read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        found.append(RescueFile(f"{FOLDER}{digest}-{name}", digest, data))
    return found


def store(storage: Storage, cache: Cache) -> tuple[str, ...]:
    """See that the storage has the files of this version; it is asked once for each version.

    Args:
        storage: where the repository lies.
        cache: remembers that they are there.

    Returns:
        The names of their objects.

    Raises:
        StorageError: they cannot be stored.
    """
    own = files()
    names = tuple(file.name for file in own)
    if cache.note(_STORED) == " ".join(names):
        return names
    present = {info.name: info for info in storage.list(FOLDER)}
    for file in own:
        info = present.get(file.name)
        if info is None or storage.get(file.name) != file.data:
            info = storage.put(file.name, file.data, sha256=file.sha256)
        cache.expect(info)
    cache.set_note(_STORED, " ".join(names))
    return names


def ask_again(cache: Cache) -> None:
    """Have the next `store` look, since one of the files is missing or damaged."""
    cache.set_note(_STORED, None)


def digest_of(name: str) -> str:
    """Return the SHA-256 that the name of a rescue object promises; empty for another name."""
    digest, dash, _ = name.removeprefix(FOLDER).partition("-")
    return digest if name.startswith(FOLDER) and dash and len(digest) == 64 else ""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ocsnap.storage.local import LocalStorage
from tests.crypto.keyring import keyring
from tests.repository.workshop import PASSPHRASE, Workshop
from tests.rescue.script import Machine
from tests.snapshot.studio import Studio

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def gpg_home() -> Iterator[Path]:
    """GnuPG's folder on a machine that never had one."""
    with keyring() as ring:
        yield ring.home


@pytest.fixture
def machine(tmp_path: Path, gpg_home: Path) -> Machine:
    """A machine where the passphrase is known."""
    folder = tmp_path / "machine"
    folder.mkdir()
    passphrase = folder / "passphrase"
    passphrase.write_text(f"{PASSPHRASE}\n")
    return Machine(folder, gpg_home, passphrase)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The folder of a repository that is empty so far."""
    folder = tmp_path / "repository"
    folder.mkdir()
    return folder


@pytest.fixture
def studio(tmp_path: Path, repository: Path) -> Studio:
    return Studio(Workshop(tmp_path / "workshop", LocalStorage(repository)))


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder to back up."""
    with tempfile.TemporaryDirectory(prefix="ocsnap-") as name:
        yield Path(name)

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.prune.vault import Vault

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder to back up."""
    made = tmp_path / "folder"
    made.mkdir()
    return made

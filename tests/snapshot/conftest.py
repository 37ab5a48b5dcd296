from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.repository.workshop import Workshop
from tests.snapshot.studio import Studio

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """An empty repository in memory."""
    return Studio(Workshop(tmp_path / "workshop"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder to back up."""
    made = tmp_path / "folder"
    made.mkdir()
    return made

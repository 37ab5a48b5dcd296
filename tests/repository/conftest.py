from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.repository.workshop import Workshop

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """An empty repository in memory."""
    return Workshop(tmp_path / "workshop")

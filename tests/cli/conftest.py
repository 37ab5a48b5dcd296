"""Installations to drive: the small one that most tests use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.installation import install

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.installation import Installation


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return install(tmp_path)

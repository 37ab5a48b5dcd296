"""Installations to drive: the small one that most tests use."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.installation import install

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.installation import Installation


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return install(tmp_path)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Make a folder that other users can enter, for programs that run as one of them."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    folder = Path(tempfile.mkdtemp(prefix="oc-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)

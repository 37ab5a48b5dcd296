"""The folders beside what is restored: ours alone, or no restore."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ocsnap.commands.restore.folders import make_closed

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_of_ours_is_made_and_taken_again(tmp_path: Path):
    for _ in range(2):
        make_closed(tmp_path / "new")
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_a_link_that_lies_in_its_place_is_not_followed(tmp_path: Path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "new").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="somebody else"):
        make_closed(tmp_path / "new")


def test_a_folder_that_others_can_write_to_is_not_taken(tmp_path: Path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new").chmod(0o770)
    with pytest.raises(PermissionError, match="somebody else"):
        make_closed(tmp_path / "new")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_another_user_s_folder_is_not_taken(tmp_path: Path):
    (tmp_path / "new").mkdir(mode=0o700)
    os.chown(tmp_path / "new", 65534, 65534)
    with pytest.raises(PermissionError, match="somebody else"):
        make_closed(tmp_path / "new")

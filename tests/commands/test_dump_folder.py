"""A dump that somebody else wrote: its folder leads nowhere else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ocsnap.commands.restore.dump_folder import DumpFolder
from ocsnap.database.database import read_manifest
from ocsnap.errors import DatabaseError

if TYPE_CHECKING:
    from pathlib import Path


def test_links_and_pipes_are_no_streams(tmp_path: Path):
    dump, outside = tmp_path / "dump", tmp_path / "outside"
    (dump / "tables").mkdir(parents=True)
    outside.mkdir()
    (outside / "shadow").write_text("root:secret")
    (dump / "tables" / "a.sql").write_text("1")
    (dump / "tables" / "shadow.sql").symlink_to(outside / "shadow")
    (dump / "linked").symlink_to(outside)
    os.mkfifo(dump / "pipe.sql")
    assert DumpFolder(dump).names() == ["tables/a.sql"]


def test_a_manifest_that_is_a_link_is_none(tmp_path: Path):
    (tmp_path / "other.json").write_text("{}")
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump" / "manifest.json").symlink_to(tmp_path / "other.json")
    with pytest.raises(DatabaseError, match="no manifest"):
        read_manifest(DumpFolder(tmp_path / "dump"))

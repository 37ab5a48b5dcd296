"""The documents tell the truth: about the format, and on how to live without ocsnap."""

from __future__ import annotations

import dataclasses
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.state import State
from ocsnap.database.database import Manifest
from ocsnap.repository.alarm import Acknowledgement, Alarm
from ocsnap.repository.description import Description
from ocsnap.repository.index import IndexedPack
from ocsnap.repository.pack import PackedBlob
from ocsnap.repository.snapshot import OwncloudRecord, Root, Snapshot
from ocsnap.repository.tree import Entry, Extent
from tests.servers.ocsnap_settings import toml, usual_settings
from tests.servers.owncloud_site import Site, make_site

if TYPE_CHECKING:
    import msgspec

FOLDER = Path(__file__).parents[1]
FORMAT = FOLDER / "docs" / "format.md"
BY_HAND = FOLDER / "docs" / "by_hand.py"


@pytest.mark.parametrize(
    "kind",
    [
        Acknowledgement,
        Alarm,
        Description,
        Entry,
        Extent,
        IndexedPack,
        Manifest,
        OwncloudRecord,
        PackedBlob,
        Root,
        Snapshot,
    ],
)
def test_the_format_names_every_field_in_its_place(kind: type[msgspec.Struct]):
    _, found, text = FORMAT.read_text().partition(f"\n<!-- fields of {kind.__name__} -->\n")
    assert found, "the document has a table for it"
    table = text.strip().partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(kind.__struct_fields__)


def test_the_script_without_ocsnap_knows_every_field():
    assert runpy.run_path(str(BY_HAND))["ENTRY"] == Entry.__struct_fields__


def test_every_link_between_documents_leads_somewhere():
    documents = [FOLDER / "README.md", *sorted((FOLDER / "docs").glob("*.md"))]
    for document in documents:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} points to {target}"


def test_a_snapshot_comes_back_without_ocsnap(tmp_path: Path):
    site = make_site(tmp_path / "oc", files_per_user=20, data_dir=tmp_path / "data")
    settings = {**usual_settings(tmp_path, site), "maintenance": {"settle_seconds": 0}}
    config = tmp_path / "config.toml"
    config.write_text(toml(settings))
    for seed in (1, 2):
        before = State.of(site)
        subprocess.run([sys.executable, "-m", "ocsnap", "-q", "-c", config, "backup"], check=True)
        site.mutate(seed, changes=40)
    snapshot = max((tmp_path / "repository" / "snapshots").iterdir()).name
    target = tmp_path / "by hand"
    options = ["--pinentry-mode", "loopback", "--passphrase-file", tmp_path / "passphrase"]
    command = [sys.executable, BY_HAND, tmp_path / "repository", snapshot, target, *options]
    subprocess.run(command, check=True)
    (target / "database" / "owncloud.sqlite").rename(f"{target}{site.data_dir}/owncloud.db")
    assert list(before.differences(State.of(_moved(site, target)))) == []


def _moved(site: Site, target: Path) -> Site:
    data_dir = Path(f"{target}{site.data_dir}")
    return dataclasses.replace(
        site,
        root=Path(f"{target}{site.root}"),
        data_dir=data_dir,
        database=data_dir / "owncloud.db",
        homes={user: data_dir / user for user in site.users},
    )

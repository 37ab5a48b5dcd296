"""The documents tell the truth about the format, and point to what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ocsnap.commands.reporting.hooks import HookPoint
from ocsnap.commands.reporting.metrics import METRICS
from ocsnap.database.database import Manifest
from ocsnap.repository.alarm import Acknowledgement, Alarm, AlarmKind
from ocsnap.repository.description import Description
from ocsnap.repository.index import IndexedPack
from ocsnap.repository.lock_survey import LockRecord
from ocsnap.repository.marks import Marks
from ocsnap.repository.pack import PackedBlob
from ocsnap.repository.pin import Pin
from ocsnap.repository.snapshot import OwncloudRecord, Root, Snapshot
from ocsnap.repository.tree import Entry, Extent

if TYPE_CHECKING:
    import msgspec

FOLDER = Path(__file__).parents[1]
FORMAT = FOLDER / "docs" / "format.md"
MONITORING = FOLDER / "docs" / "monitoring.md"


@pytest.mark.parametrize(
    "kind",
    [
        Acknowledgement,
        Alarm,
        Description,
        Entry,
        Extent,
        IndexedPack,
        LockRecord,
        Manifest,
        Marks,
        OwncloudRecord,
        PackedBlob,
        Pin,
        Root,
        Snapshot,
    ],
)
def test_the_format_names_every_field_in_its_place(kind: type[msgspec.Struct]):
    _, found, text = FORMAT.read_text().partition(f"\n<!-- fields of {kind.__name__} -->\n")
    assert found, "the document has a table for it"
    table = text.strip().partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(kind.__struct_fields__)


def test_the_metrics_are_those_that_are_written():
    rows = re.findall(r"^\| `(ocsnap_\w+)` \| (.+) \|$", MONITORING.read_text(), re.MULTILINE)
    assert rows == [(metric.name, metric.help) for metric in METRICS]


def test_the_hooks_and_alarms_are_those_that_there_are():
    text = MONITORING.read_text()
    for name in (*HookPoint, *AlarmKind):
        assert f"`{name}`" in text


def test_every_link_between_documents_leads_somewhere():
    documents = [FOLDER / "README.md", *sorted((FOLDER / "docs").glob("*.md"))]
    for document in documents:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} points to {target}"


@pytest.mark.parametrize("name", ["reliability.md", "threat-model.md", "bucket.md", "format.md"])
def test_every_test_that_a_page_names_is_there(name: str):
    text = (FOLDER / "docs" / name).read_text()
    for path in re.findall(r"\btests/[\w/]+(?:\.py)?", text):
        assert (FOLDER / path).exists(), path
    for file in re.findall(r"(?<![\w/])test_\w+\.py", text):
        assert list((FOLDER / "tests").rglob(file)), file


def test_every_promise_names_what_tests_it():
    rows = re.findall(
        r"^\| (?!Promise|---)(.+?) \| (.+?) \|",
        (FOLDER / "docs" / "reliability.md").read_text(),
        re.MULTILINE,
    )
    assert len(rows) > 20
    for promise, how in rows:
        assert re.search(r"`(tests/|make )|the same", how), promise

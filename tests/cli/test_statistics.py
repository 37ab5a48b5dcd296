"""The statistics: duplicity's block to the letter, and the right figures for known changes."""

from __future__ import annotations

import os
import re
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.installation import install
from tests.cli.state import State, data

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.installation import Installation

NUMBER = r"\d+"
SIZE = r"-?\d+ \((\d+ bytes|1 byte|-?[\d.]+ [KMGT]B)\)"
TIME = r"\d+\.\d\d \(\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\)"
# duplicity 3.2.1: names, order, units and layout, which admins grep.
DUPLICITY = [
    ("StartTime", TIME),
    ("EndTime", TIME),
    ("ElapsedTime", r"\d+\.\d\d \((\d+ hours? )?(\d+ minutes? )?(\d+\.\d\d seconds|1 second)\)"),
    ("SourceFiles", NUMBER),
    ("SourceFileSize", SIZE),
    ("NewFiles", NUMBER),
    ("NewFileSize", SIZE),
    ("DeletedFiles", NUMBER),
    ("ChangedFiles", NUMBER),
    ("ChangedFileSize", SIZE),
    ("ChangedDeltaSize", SIZE),
    ("DeltaEntries", NUMBER),
    ("RawDeltaSize", SIZE),
    ("TotalDestinationSizeChange", SIZE),
    ("Errors", NUMBER),
]
ADDED = ["MaintenanceSeconds", "DumpSeconds", "UnreadableFiles", "DedupedBytes", "MetadataBytes"]
ADDED += ["ObjectsPut", "RequestsMade", "ThroughputMBps", "RepositorySize", "EstimatedMonthlyCost"]


def block(text: str) -> dict[str, str]:
    """Check duplicity's block line by line; return its values and those of the second block."""
    lines = text.splitlines()
    assert lines[0] == "--------------[ Backup Statistics ]--------------"
    for line, (name, pattern) in zip(lines[1:], DUPLICITY, strict=False):
        assert re.fullmatch(f"{name} {pattern}", line), line
    assert lines[len(DUPLICITY) + 1] == "-------------------------------------------------"
    assert lines[-1] == "-" * 49
    values = dict(line.split(" ", 1) for line in lines if not line.startswith("-"))
    assert set(ADDED) <= set(values)
    return values


def in_brackets(count: int) -> str:
    """Return a size as duplicity writes it, in three figures with steps of 1024."""
    for unit, power in (("TB", 4), ("GB", 3), ("MB", 2), ("KB", 1)):
        if count >= 1024**power:
            value = count / 1024**power
            return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"
    return "1 byte" if count == 1 else f"{count} bytes"


def stored_bytes(installation: Installation) -> int:
    return sum(path.stat().st_size for path in installation.repository.rglob("*") if path.is_file())


def sizes(installation: Installation) -> tuple[int, int]:
    """Return the number of entries that a backup sees, and the sizes of its regular files."""
    site = installation.site
    config = list((site.root / "config").iterdir())
    paths = [site.data_dir / name for name in data(site) if name != "."]
    # Each home is a root of its own and no entry of another.
    inside = [path for path in paths if path not in site.homes.values()]
    regular = [path for path in inside + config if path.is_file() and not path.is_symlink()]
    return len(inside) + len(config), sum(path.stat().st_size for path in regular)


def test_the_first_block_is_duplicitys(installation: Installation):
    entries, size_bytes = sizes(installation)
    began = time.time()
    result = installation.run("backup")
    ended = time.time()
    assert result.status == 0
    values = block(result.out)
    assert values["SourceFiles"] == values["NewFiles"] == values["DeltaEntries"] == str(entries)
    assert values["SourceFileSize"] == f"{size_bytes} ({in_brackets(size_bytes)})"
    assert values["NewFileSize"] == values["SourceFileSize"]
    assert values["DeletedFiles"] == values["ChangedFiles"] == values["Errors"] == "0"
    assert values["ChangedFileSize"] == values["ChangedDeltaSize"] == "0 (0 bytes)"
    size = stored_bytes(installation)
    assert values["TotalDestinationSizeChange"] == f"{size} ({in_brackets(size)})"
    start, end = (float(values[name].split()[0]) for name in ("StartTime", "EndTime"))
    assert began - 0.01 <= start <= end <= ended + 0.01
    assert float(values["ElapsedTime"].split()[0]) == pytest.approx(end - start, abs=0.011)
    assert values["StartTime"].endswith(f"({time.ctime(start)})")


def test_figures_of_a_known_change(installation: Installation):
    files = installation.site.homes["alice"] / "files"
    (files / "steady.bin").write_bytes(os.urandom(200_000))
    (files / "grows.bin").write_bytes(os.urandom(2_000_000))
    (files / "goes").mkdir()
    for number in range(3):
        (files / "goes" / str(number)).write_bytes(b"x" * 100)
    installation.json("backup")
    installation.json("backup")
    stored_before = stored_bytes(installation)
    content = bytearray((files / "grows.bin").read_bytes())
    content[1_000_000:1_000_000] = os.urandom(500)
    (files / "grows.bin").write_bytes(content)
    shutil.rmtree(files / "goes")
    (files / "new folder").mkdir()
    (files / "new folder" / "copy.bin").write_bytes((files / "steady.bin").read_bytes())
    (files / "new folder" / "new.bin").write_bytes(os.urandom(50_000))
    report = installation.json("backup")
    figures = report["statistics"]
    expected = {
        "new_files": 3,
        "new_file_bytes": 250_000,
        "deleted_files": 4,
        "changed_files": 1,
        "changed_file_bytes": len(content),
        "errors": 0,
    }
    assert {name: figures[name] for name in expected} == expected
    assert 500 <= figures["changed_delta_bytes"] < 20_000
    assert figures["deduplicated_bytes"] >= 200_000 + 1_980_000, "the copy, and what did not move"
    entries, size_bytes = sizes(installation)
    assert (figures["source_files"], figures["source_file_bytes"]) == (entries, size_bytes)
    assert (
        report["put_bytes"] - report["deleted_bytes"] == stored_bytes(installation) - stored_before
    )
    assert report["put_bytes"] < 200_000


def test_json_has_the_same_figures(installation: Installation):
    installation.json("backup")
    installation.site.mutate(3)
    report: dict[str, Any] = installation.json("backup")
    listed = installation.json("snapshots")["snapshots"][-1]
    assert listed["id"] == report["snapshot"]
    locked = report["window"]["total_seconds"]
    assert listed["statistics"] == {**report["statistics"], "maintenance_seconds": locked}
    assert report["finished"] >= report["started"]


def test_cron_gets_plain_lines(installation: Installation):
    result = installation.run("backup")
    assert result.status == 0
    block(result.out)
    assert len(result.lines) >= 4
    for line in result.lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [ -~]+", line), line
    assert installation.run("-q", "verify").err == ""


def test_a_locale_without_letters_stops_nothing(tmp_path: Path):
    """Names are UTF-8 on the disk, whatever an old machine's charset is."""
    installation = install(tmp_path, users=("žofie 😀", "alice"), files_per_user=8)
    wanted = State.of(installation.site)
    path = installation.environment["PATH"]
    # Python takes LC_ALL=C for UTF-8 unless it is told not to: this is what Latin-1 is like.
    installation.environment = {
        "PATH": path,
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii",
    }
    assert installation.json("backup")["statistics"]["errors"] == 0
    shutil.rmtree(installation.site.data_dir)
    installation.json("restore", "--yes", "--no-fingerprint")
    assert State.of(installation.site) == wanted
    for pack in (installation.repository / "packs").rglob("*.gpg"):
        pack.unlink()
    result = installation.run("verify")
    assert result.status == 10, result
    assert "/\\u017eofie \\U0001f600/files/" in result.out

"""`ocsnap report`: one page, whole, that loads nothing, whatever stands in names."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from ocsnap.cli.report_page import report_page
from ocsnap.commands.report import History
from ocsnap.commands.runs.record import RunRecord
from ocsnap.commands.stats import SnapshotFigures, Stats, UserFigures
from tests.cli.installation import install

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "</title><script>alert(1)</script>\"'&\udcff"
DAY_SECONDS = 86_400
VOID = {"meta", "br"}


class Page(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [str(value) for name, value in attrs if name in {"src", "href"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def figures(number: int, **also: float) -> SnapshotFigures:
    usual = {
        "id": f"{number:064x}",
        "started": 1_700_000_000.0 + number * DAY_SECONDS,
        "host": "cloud",
        "files": 100 + number,
        "size_bytes": 10_000_000 * (1 + number),
        "grown_bytes": 10_000_000,
        "new_bytes": 5_000_000 * (number % 3),
        "deduplicated_bytes": 1000,
        "delta_saved_bytes": 1000,
        "errors": 0,
        "alarms": 0,
        "seconds": 60.0 + number,
        "maintenance_seconds": 2.5,
    }
    return SnapshotFigures(**(usual | also))


def history(snapshots: list[SnapshotFigures], name: str = "alice") -> History:
    user = UserFigures(root="/oc", user=name, files=1, size_bytes=2, shown_bytes=1, grown_bytes=0)
    failed = RunRecord(
        command="verify",
        repository="",
        pid=1,
        process_start="",
        started=1_700_000_000.0,
        updated=1_700_000_100.0,
        finished=1_700_000_100.0,
        exit_status=10,
        message=f"{name} is damaged.",
    )
    found = Stats(
        snapshots=tuple(snapshots),
        users=(user,) if snapshots else (),
        full_bytes=1,
        content_bytes=1,
        stored_bytes=123_456_789,
    )
    return History(
        made=1_700_000_000.0 + 400 * DAY_SECONDS,
        host=name,
        repository=f"s3://{name}",
        stats=found,
        runs=(failed,) if snapshots else (),
    )


@pytest.mark.parametrize("count", [0, 1, 2, 400])
def test_the_page_is_whole_whatever_there_is(count: int):
    text = report_page(history([figures(number) for number in range(count)]))
    page = Page(text)
    assert page.open == []
    assert page.addresses == []
    assert "nan" not in text
    assert text.count("<figure>") == (4 if count else 0)
    assert text.count("<circle") == count


def test_names_are_text_and_nothing_else():
    page = Page(report_page(history([figures(0), figures(1)], HOSTILE)))
    assert "script" not in page.tags
    assert page.open == []
    told = "".join(page.words)
    assert told.count("<script>alert(1)</script>") >= 4
    assert "\\udcff" in told


def test_snapshots_that_tell_no_freeze_and_figures_of_nought():
    text = report_page(history([figures(0, maintenance_seconds=None, size_bytes=0, seconds=0.0)]))
    assert "locked out" not in text
    assert "<td>?</td>" in text


def test_a_report_of_real_backups(tmp_path: Path):
    cloud = install(tmp_path, files_per_user=3, large_bytes=0)
    target = tmp_path / "report.html"
    assert cloud.run("report", "--html", target).status == 11
    assert not target.exists()
    assert cloud.run("-q", "backup").status == 0
    (cloud.site.homes["bob"] / "files" / "new & <b>.txt").write_text("new\n" * 1000)
    assert cloud.run("-q", "backup").status == 0
    done = cloud.json("report", "--html", target)
    assert done == {"file": str(target), "snapshots": 2}
    assert target.stat().st_mode & 0o777 == 0o600
    page = Page(target.read_text())
    told = cloud.json("stats")["snapshots"]
    for each in told:
        assert each["id"][:8] in page.words
        assert each["maintenance_seconds"] > 0
        assert each["seconds"] > 0
    assert {"alice", "bob", "backup", "done"} <= set(page.words)
    if os.geteuid() == 0:
        full = cloud.run("report", "--html", "/proc/report.html")
        assert (full.status, full.out) == (15, "")
    missing = cloud.run("report", "--html", tmp_path / "nowhere" / "report.html")
    assert missing.status == 15
    assert cloud.run("report").status == 2


def test_a_browser_shows_it(tmp_path: Path):
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not installed: make browser installs it")
    file = tmp_path / "report.html"
    snapshots = [figures(number, errors=number % 7 == 0) for number in range(60)]
    file.write_text(report_page(history(snapshots, HOSTILE)))
    picture = tmp_path / "report.png"
    done = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}"),
            *("--window-size=1000,1800", f"--screenshot={picture}", "--dump-dom"),
            *("--enable-logging=stderr", file.as_uri()),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000
    assert not re.search("CONSOLE|Refused to", done.stderr)
    shown = Page(done.stdout)
    assert "script" not in shown.tags
    assert shown.tags.count("svg") == 4
    assert shown.tags.count("circle") == len(snapshots)

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


def run(number: int, **also: object) -> RunRecord:
    began = 1_700_000_000.0 + number * DAY_SECONDS
    usual: dict[str, object] = {
        "command": "backup",
        "repository": "",
        "pid": 1,
        "process_start": "",
        "started": began,
        "updated": began + 100,
        "finished": began + 100 + number,
        "exit_status": 0,
        "snapshot": f"{number:064x}",
    }
    return RunRecord(**(usual | also))  # type: ignore[arg-type]


def history(snapshots: list[SnapshotFigures], name: str = "alice") -> History:
    user = UserFigures(root="/oc", user=name, files=1, size_bytes=2, shown_bytes=1, grown_bytes=0)
    failed = run(0, command="verify", exit_status=10, snapshot="", message=f"{name} is damaged.")
    killed = run(1, finished=None, exit_status=None, snapshot="", step=f"Storing {name}")
    done = [run(number) for number, _ in enumerate(snapshots)]
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
        runs=(*reversed(done), killed, failed) if snapshots else (),
    )


@pytest.mark.parametrize("count", [0, 1, 2, 400])
def test_the_page_is_whole_whatever_there_is(count: int):
    text = report_page(history([figures(number) for number in range(count)]))
    page = Page(text)
    assert page.open == []
    assert page.addresses == []
    assert "nan" not in text
    # One of the backups, which one of verify alone would not be.
    assert text.count("<figure>") == (5 if count else 0)
    assert text.count("<circle") == count
    assert ("The latest 200 of 402" in text) == (count == 400)


def _rows(text: str) -> list[list[str]]:
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.+?)</tr>", text)]
    return [[re.sub(r"<[^>]+>", "", cell) for cell in row] for row in cells if row]


def test_every_run_is_told_with_how_it_ended_and_what_it_made():
    text = report_page(history([figures(number) for number in range(3)]))
    wrong, _, runs = text.partition("<h2>Runs on this machine</h2>")
    assert [row[0] for row in _rows(wrong)] == ["backup", "verify"]
    told = _rows(runs.partition("<h2>")[0])
    (failed,) = [row for row in told if row[0] == "verify"]
    assert failed[3:5] == ["failed", "10"]
    assert failed[-1] == "alice is damaged."
    backups = [row for row in told if row[0] == "backup"]
    assert [row[3] for row in backups] == ["done", "done", "done", "died"]
    assert backups[0][2] == "2 min"
    assert backups[-1][-1] == "Storing alice"
    assert sum("00000000" in row and "2.5 s" in row for row in backups) == 3
    drawing = text.partition("How long ocsnap backup took;")[2].partition("</svg>")[0]
    assert drawing.count('class="bar wrong"') == 1
    assert drawing.count('class="bar"') == 3


def test_what_was_left_out_is_drawn():
    left_out = [figures(0), figures(1, errors=3), figures(2)]
    text = report_page(history(left_out))
    drawing = text.partition("<figcaption>Files left out")[2].partition("</figure>")[0]
    assert drawing.count("wrong") == 1
    assert ": 3</title>" in drawing


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
    right = cloud.settings["encryption"]["passphrase_file"]
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
    passphrase = tmp_path / "no passphrase"
    cloud.set("encryption", passphrase_file=str(passphrase))
    assert cloud.run("-q", "backup").status != 0
    cloud.set("encryption", passphrase_file=right)
    assert cloud.run("-q", "verify").status == 0
    assert cloud.run("-q", "report", "--html", target).status == 0
    runs = target.read_text().partition("<h2>Runs on this machine</h2>")[2].partition("<h2>")[0]
    assert [(row[0], row[3]) for row in _rows(runs)] == [
        ("verify", "done"),
        ("backup", "failed"),
        ("backup", "done"),
        ("backup", "done"),
    ]
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
    assert shown.tags.count("svg") == 6
    assert shown.tags.count("circle") == len(snapshots)

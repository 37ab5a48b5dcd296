"""With a person at the terminal: a bar while there is work, a question that can be read."""

from __future__ import annotations

import os
import pty
import re
import select
import time
from typing import TYPE_CHECKING

import pytest

from tests.cli.installation import REPOSITORY, TIMEOUT_SECONDS, install
from tests.cli.screen import watch
from tests.cli.state import State
from tests.cli.test_statistics import ADDED, DUPLICITY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.installation import Installation

QUESTION = "Go on? [y/N] "
SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def at_a_terminal(
    installation: Installation, *arguments: str | Path, answer: str | None = None
) -> tuple[int, str]:
    """Run ocsnap in a terminal of its own; return its status and all that appeared there."""
    command = installation.command(*arguments)
    environment = {**installation.environment, "TERM": "xterm-256color", "COLUMNS": "100"}
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(REPOSITORY)
        os.execve(command[0], command, environment)  # noqa: S606 - no shell is wanted
    shown = b""
    end = time.monotonic() + TIMEOUT_SECONDS
    try:
        while time.monotonic() < end:
            ready, _, _ = select.select([terminal], [], [], 1)
            chunk = _read(terminal) if ready else b"-"
            if not chunk:
                break
            shown += chunk if ready else b""
            if answer is not None and QUESTION.encode() in shown:
                time.sleep(0.5)  # a bar that goes on would draw over the question now
                shown += _read(terminal, wait=False)
                os.write(terminal, answer.encode())
                answer = None
    finally:
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), shown.decode()


def _read(terminal: int, *, wait: bool = True) -> bytes:
    if not wait and not select.select([terminal], [], [], 0)[0]:
        return b""
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says EIO at the end of a terminal
        return b""


def plain(shown: str) -> list[str]:
    """Return the lines that are left when everything that was drawn over is gone."""
    lines = shown.replace("\r\n", "\n").split("\n")
    return [SEQUENCE.sub("", line.rpartition("\x1b[2K")[2]) for line in lines]


def test_a_bar_comes_and_goes(installation: Installation):
    installation.set("maintenance", settle_seconds=0.5)
    status, shown = at_a_terminal(installation, "backup")
    assert status == 0
    assert "━" in shown
    assert "Freezing ownCloud" in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h"), "the cursor is shown again"
    lines = plain(shown)
    begin = next(number for number, line in enumerate(lines) if "Backup Statistics" in line)
    assert not [line for line in lines[begin:] if "━" in line]


@pytest.mark.parametrize("columns", [60, 100])
def test_the_progress_says_where_it_is_how_fast_and_how_long(tmp_path: Path, columns: int):
    # Each home takes longer than from one drawing to the next, on a fast machine too.
    cloud = install(tmp_path, files_per_user=2, large_bytes=60_000_000)
    seen = watch(cloud, columns, "backup")
    assert seen.status == 0
    assert all(len(line) <= columns for line in seen.ever)
    steps = [line for line in seen.ever if line.startswith("Storing what has changed")]
    assert {line.rpartition(": ")[2] for line in steps} >= {"alice", "bob"}
    figures = [line for line in seen.ever if re.search(r"[KM]B of [\d.]+ MB, [\d.]+ [KM]B/s", line)]
    assert figures
    assert [line for line in figures if re.search(r"/s, \d+ s left$", line)]
    assert any("━━━━" in line for line in figures) == (columns >= 80)
    assert not [line for line in seen.last if "left" in line or "━━━━" in line], "it is gone"


@pytest.mark.parametrize("columns", [60, 80, 130])
def test_the_statistics_are_a_table_with_the_same_names_and_figures(
    installation: Installation, columns: int
):
    seen = watch(installation, columns, "backup")
    assert seen.status == 0
    (made,) = installation.json("snapshots")["snapshots"]
    text = " ".join(seen.last)
    assert "---[ Backup Statistics ]---" not in text
    cells = text.replace("│", " ").split()
    names = [name for name, _ in DUPLICITY]
    assert [cell for cell in cells if cell in names] == names
    for name in ADDED:
        assert name in cells
    assert cells[cells.index("SourceFileSize") + 1] == str(made["statistics"]["source_file_bytes"])
    tops = [line.count("╭") for line in seen.last if "╭" in line]
    assert tops == {60: [1], 80: [1, 1], 130: [2]}[columns]


@pytest.mark.parametrize("command", ["stats", "snapshots", "cost"])
def test_lists_are_tables_at_a_terminal_and_plain_in_a_pipe(
    installation: Installation, command: str
):
    bob = installation.site.homes["bob"] / "files"
    (bob / "a \x1b[31mred\x1b[0m name").write_text("in colour")
    assert installation.run("-q", "backup").status == 0
    piped = installation.run(command).out
    assert "│" not in piped
    assert "\x1b" not in piped
    seen = watch(installation, 120, command)
    assert seen.status == 0
    assert seen.last[0].startswith(("╭", "Snapshots"))
    drawn = re.sub(r"[╭┬╮├┼┤╰┴╯│─]", " ", "\n".join(seen.last[1:])).split()
    told = piped.split()
    assert [word for word in drawn if word != "Users"] == told


def test_a_terminal_that_draws_nothing_gets_no_colours(installation: Installation):
    assert installation.run("-q", "backup").status == 0
    installation.environment = {**installation.environment, "NO_COLOR": "1"}
    _, shown = at_a_terminal(installation, "stats")
    assert not re.search(r"\x1b\[3[0-7]m", shown)


def test_quiet_draws_nothing(installation: Installation):
    status, shown = at_a_terminal(installation, "-q", "backup")
    assert status == 0
    assert shown == ""


def test_json_is_alone_on_a_terminal_too(installation: Installation):
    _, shown = at_a_terminal(installation, "--json", "snapshots")
    assert shown.startswith("{")
    assert "\x1b" not in shown


def test_no_means_no(installation: Installation):
    installation.json("backup")
    installation.site.mutate(4)
    before = State.of(installation.site)
    for answer in ("n\n", "\n", "\x04"):
        status, shown = at_a_terminal(installation, "restore", answer=answer)
        assert status == 14
        assert State.of(installation.site) == before
        asked = shown.index(QUESTION)
        question = shown[: asked + len(QUESTION)]
        # Nothing was drawn between the question and the answer.
        assert "━" not in shown[asked : asked + len(QUESTION) + 2]
        told = plain(question)
        assert told[-1] == QUESTION
        assert f"  {installation.site.data_dir}" in told
        assert f"  database {installation.site.database}" in told
        assert plain(shown)[-2].startswith("ocsnap: Nothing was restored.")


def test_yes_means_yes(installation: Installation):
    wanted = State.of(installation.site)
    installation.json("backup")
    installation.site.mutate(4)
    status, shown = at_a_terminal(installation, "restore", "--no-fingerprint", answer="y\n")
    assert status == 0
    assert State.of(installation.site) == wanted
    assert [line for line in plain(shown) if line.startswith("What was there is kept in")]


def test_ctrl_c_at_the_question(installation: Installation):
    installation.json("backup")
    before = State.of(installation.site)
    status, shown = at_a_terminal(installation, "restore", answer="\x03")
    assert status == 130
    assert "Traceback" not in shown
    assert plain(shown)[-2] == "ocsnap: Interrupted."
    assert State.of(installation.site) == before

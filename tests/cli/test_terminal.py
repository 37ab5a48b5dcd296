"""With a person at the terminal: a bar while there is work, a question that can be read."""

from __future__ import annotations

import os
import pty
import re
import select
import time
from typing import TYPE_CHECKING

from tests.cli.installation import REPOSITORY, TIMEOUT_SECONDS
from tests.cli.state import State

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
    assert "--------------[ Backup Statistics ]--------------" in lines
    begin = lines.index("--------------[ Backup Statistics ]--------------")
    assert not [line for line in lines[begin:] if "━" in line]


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

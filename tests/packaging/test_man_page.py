"""The manual page: sound roff, and all commands and options in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ocsnap.cli.command_tree import pages
from ocsnap.cli.main import register_commands
from ocsnap.errors import ExitStatus

FOLDER = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def page() -> str:
    command = [sys.executable, str(FOLDER / "tools" / "man-page")]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env={"SOURCE_DATE_EPOCH": "86400"}
    ).stdout


def test_all_commands_options_and_statuses_are_in_it(page: str):
    plain = page.replace("\\-", "-").replace("\\fB", "").replace("\\fI", "").replace("\\fR", "")
    for each in pages(register_commands()):
        if each.words:
            assert f"\n.SS ocsnap {' '.join(each.words)}\n" in plain
        for parameter in each.parameters:
            for name in parameter.names if not parameter.is_argument else ():
                assert name in plain
    for status in ExitStatus:
        assert f"\n{int(status)}\n" in plain
    assert page.startswith('.TH OCSNAP 1 "1970-01-02" "ocsnap ')


def test_mandoc_finds_nothing_wrong(page: str):
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed: make packages installs it")
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning"],
        input=page,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "")

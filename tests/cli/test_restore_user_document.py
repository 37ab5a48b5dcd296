"""docs/restore-user.md tells the truth: its examples work, its tables are those of the code."""

from __future__ import annotations

import random
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ocsnap.owncloud.user_rows.topics import NOT_BROUGHT_BACK, TABLES
from tests.cli.installation import Installation, install
from tests.servers.owncloud_user_rows import add_user_rows

DOCUMENT = Path(__file__).parents[2] / "docs" / "restore-user.md"
EXAMPLES = re.findall(r"^    ocsnap (.*?) *(?:#.*)?$", DOCUMENT.read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    made = install(tmp_path_factory.mktemp("document"), users=("u1", "u2"), files_per_user=6)
    letter = made.site.homes["u1"] / "files" / "Documents" / "letter.odt"
    letter.write_text("Dear reader")
    add_user_rows(made.site, random.Random(1))
    assert made.run("backup").status == 0
    letter.write_text("changed")
    return made


def test_every_example_works(installation: Installation, tmp_path: Path):
    assert len(EXAMPLES) > 6
    today = f"{datetime.now(UTC).astimezone():%Y-%m-%d}"
    for example in EXAMPLES:
        place = f"--to {tmp_path}"
        words = shlex.split(example.replace("2026-11-01", today).replace("--to /tmp", place))
        yes = ["--yes"] if words[0] == "restore" else []
        result = installation.run(*words, *yes)
        assert result.status == 0, (example, result)
    assert (tmp_path / "letter.odt").read_text() == "Dear reader"


def test_the_tables_of_decisions_are_those_of_the_code():
    rows = re.findall(r"^\| (`.+?`) \| (.+?) \|", DOCUMENT.read_text(), re.MULTILINE)
    named = {first.strip("`"): tuple(re.findall(r"`(\w+)`", second)) for first, second in rows}
    for topic, tables in TABLES.items():
        assert set(named[topic.value]) == set(tables)
    left_alone = {name for first, _ in rows for name in re.findall(r"`(\w+)`", first)}
    assert left_alone - {topic.value for topic in TABLES} == set(NOT_BROUGHT_BACK)

"""Looking into snapshots from the command line: ls, find, diff, cat."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.cli.installation import Installation, install

if TYPE_CHECKING:
    from collections.abc import Iterator

LETTER = "Documents/letter.odt"


class History(NamedTuple):
    """An installation whose user alice writes, rewrites and deletes a letter.

    Attributes:
        installation: it.
        ids: the snapshots: without the letter, with it, the same, rewritten, without it again.
    """

    installation: Installation
    ids: list[str]

    def run(self, *arguments: str) -> str:
        result = self.installation.run("-q", *arguments)
        assert result.status == 0, result
        return result.out

    def json(self, *arguments: str) -> Any:  # noqa: ANN401 # whatever the document holds
        return self.installation.json(*arguments)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    installation = install(tmp_path_factory.mktemp("browse"))
    installation.set("scan", trust_etags="never")  # the letter is written past ownCloud
    files = installation.site.homes["alice"] / "files"
    letter = files / LETTER
    ids = [installation.json("backup")["snapshot"]]
    letter.write_text("first")
    os.utime(letter, (1_700_000_000, 1_700_000_000))
    (Path(os.fsdecode(os.fsencode(files) + b"/latin\xe9\x1b[31m")) / "x").parent.mkdir()
    (files / "to nowhere").symlink_to("../../not/there")
    ids.append(installation.json("backup")["snapshot"])
    ids.append(installation.json("backup")["snapshot"])
    letter.write_text("the second")
    ids.append(installation.json("backup")["snapshot"])
    letter.unlink()
    (files / "Photos" / "new.txt").write_text("hello")
    shutil.rmtree(files / "日本語")
    ids.append(installation.json("backup")["snapshot"])
    return History(installation, ids)


def test_a_listing_tells_names_and_kinds(history: History):
    lines = history.run("ls", "--user", "alice", "--snapshot", history.ids[1]).splitlines()
    assert "Documents/" in lines
    assert "large.bin" in lines
    assert "to nowhere -> ../../not/there" in lines
    assert lines == sorted(lines, key=os.fsencode)


def test_a_name_that_is_no_text_does_nothing_to_a_terminal(history: History):
    out = history.run("ls", "--user", "alice", f"{history.ids[1]}:")
    assert "latin\\udce9\\x1b[31m/" in out.splitlines()
    found = history.json("ls", "--user", "alice", f"{history.ids[1]}:")["entries"]
    assert "latin\\udce9\x1b[31m" in [entry["path"] for entry in found]


def test_a_long_listing_tells_rights_size_and_time(history: History):
    out = history.run("ls", "-l", "--user", "alice", f"{history.ids[1][:10]}:{LETTER}")
    when = f"{datetime.fromtimestamp(1_700_000_000, UTC).astimezone():%Y-%m-%d %H:%M:%S}"
    assert re.fullmatch(rf"-rw\S+ \S+ +\S+ +5 bytes  {when}  letter.odt\n", out)


def test_a_listing_may_go_down(history: History):
    out = history.run("ls", "-R", "--user", "alice", "--snapshot", history.ids[1]).splitlines()
    assert LETTER in out
    assert out.index("Documents/") < out.index(LETTER)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["--user", "alice", "files_trashbin/files"], "gone.txt.d1600000002"),
        (["--user", "alice", "/files/Documents"], "2024 Verträge/"),
        (["homes"], "carol@example.org/"),
        (["homes/alice/files_versions"], "large.bin.v1600000001"),
        ([], "database/"),
        (["latest:"], "config/"),
        (["database"], "manifest.json"),
        (["latest:config"], "config.php"),
        (["data"], ".ocdata"),
    ],
)
def test_every_tree_can_be_listed(history: History, arguments: list[str], name: str):
    assert name in history.run("ls", *arguments).splitlines()


def test_a_path_may_be_that_on_the_disk(history: History):
    home = history.installation.site.homes["bob"]
    assert "large.bin" in history.run("ls", f"{home}/files").splitlines()
    assert ".ocdata" in history.run("ls", str(home.parent)).splitlines()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ls", "--user", "alice", "no/such"], "has no 'no/such' of alice"),
        (["ls", "--user", "nobody"], "no home of a user 'nobody'"),
        (["ls", "--user", "alice", "../bob"], "leads upwards"),
        (["find", "x", "--user", "nobody"], "No snapshot has a home of a user 'nobody'"),
        (["cat", "--user", "alice", "Documents"], "no regular file"),
        (["diff", "latest", "latest", "--user", "alice", "--path", "large.bin"], "no folder"),
    ],
)
def test_what_is_not_there_is_told(history: History, arguments: list[str], words: str):
    result = history.installation.run("-q", *arguments)
    assert (result.status, words in result.err) == (14, True), result


def test_find_tells_versions_and_the_snapshots_that_hold_them(history: History):
    told = history.json("find", "lett*.odt", "--user", "alice")
    assert [each["id"] for each in told["snapshots"]] == history.ids
    (found,) = told["found"]
    assert (found["user"], found["path"]) == ("alice", f"files/{LETTER}")
    first, second = found["versions"]
    assert (first["size_bytes"], first["snapshots"]) == (5, history.ids[1:3])
    assert (second["size_bytes"], second["snapshots"]) == (10, history.ids[3:4])


def test_find_speaks_to_people(history: History):
    out = history.run("find", "LETTER.ODT", "-i").splitlines()
    assert out[0] == f"alice: files/{LETTER}"
    assert re.search(rf"5 bytes +2023-11-1\d .+ in {history.ids[1][:8]} .+, 2 snapshots$", out[1])
    assert out[-1] == "Found 1 in 5 snapshots."


@pytest.mark.parametrize("pattern", ["Documents/l*", "files/Documents/letter.odt", "*/letter.odt"])
def test_find_takes_whole_paths(history: History, pattern: str):
    (found,) = history.json("find", pattern, "--user", "alice")["found"]
    assert found["path"] == f"files/{LETTER}"


def test_find_looks_into_one_snapshot(history: History):
    told = history.json("find", "letter.odt", "--snapshot", history.ids[4])
    assert told["found"] == []
    assert history.json("find", ".ocdata")["found"][0]["path"] == "data/.ocdata"


def test_diff_tells_what_changed(history: History):
    told = history.json("diff", history.ids[2], history.ids[3], "--user", "alice")
    (change,) = [each for each in told["changes"] if each["change"] == "changed"]
    assert change["path"] == f"files/{LETTER}"
    assert (change["old"]["size_bytes"], change["new"]["size_bytes"]) == (5, 10)
    told = history.json("diff", history.ids[3], "--user", "alice", "--path", "/files")
    kinds = {each["path"]: each["change"] for each in told["changes"]}
    assert kinds == {LETTER: "removed", "Photos/new.txt": "added", "日本語": "removed"}
    assert told["totals"]["removed"] == 2 + sum(
        each["old"].get("entries", 0) for each in told["changes"] if each["old"]
    )


def test_diff_speaks_to_people(history: History):
    out = history.run("diff", history.ids[2], history.ids[3], "--user", "alice").splitlines()
    assert f"M files/{LETTER}  5 bytes -> 10 bytes" in out
    assert "0 added (0 bytes), 0 removed (0 bytes), 1 changed (10 bytes)" in out[-1]


def test_diff_of_a_snapshot_with_itself_is_empty(history: History):
    told = history.json("diff", "latest", "latest")
    assert told["changes"] == []


def test_diff_of_everything_names_the_trees(history: History):
    told = history.json("diff", history.ids[3], history.ids[4])
    assert f"homes/alice/files/{LETTER}" in [each["path"] for each in told["changes"]]


@pytest.mark.parametrize("name", ["large.bin", LETTER])
def test_cat_writes_the_file(history: History, name: str):
    place = f"{history.ids[2]}:{name}"
    command = history.installation.command("-q", "cat", "--user", "alice", place)
    environment = history.installation.environment
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    wanted = (history.installation.site.homes["alice"] / "files" / "large.bin").read_bytes()
    assert done.stdout == (b"first" if name == LETTER else wanted)

"""The commands that the documents show are taken by ocsnap, and the quick start works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.installation import install
from tests.documents.command_lines import in_shell, refusal

FOLDER = Path(__file__).parents[2]
DOCUMENTS = [
    FOLDER / "README.md",
    FOLDER / "CHANGELOG.md",
    FOLDER / "docker" / "README.md",
    *sorted((FOLDER / "docs").glob("*.md")),
]
QUICK_START = (FOLDER / "docs" / "quick-start.md").read_text()


def calls(text: str) -> list[list[str]]:
    """Find the calls in code blocks, and those within sentences."""
    text = re.sub(r"^```[^\n]*\n(.*?)^```", _indented, text, flags=re.MULTILINE | re.DOTALL)
    blocks = "\n".join(re.findall(r"^ {4,}(.+)$", text.replace("\\\n", "\\\n    "), re.MULTILINE))
    within = "\n".join(re.findall(r"`(ocsnap [^`]+)`", text.replace("\n", " ")))
    named = [words for words in in_shell(within) if len(words) > 1]
    return [words for words in [*in_shell(blocks), *named] if words and _is_whole(words)]


def _indented(block: re.Match[str]) -> str:
    return re.sub(r"^", "    ", block[1], flags=re.MULTILINE)


def _is_whole(words: list[str]) -> bool:
    """Tell calls from templates."""
    return not any(mark in word for word in words for mark in ("...", "["))


def test_calls_are_found_and_wrong_ones_refused():
    found = calls(
        "Say `ocsnap verify --read-data`:\n\n    sudo ocsnap backup \\\n      --detach # so\n"
    )
    assert found == [["backup", "--detach"], ["verify", "--read-data"]]
    assert refusal(["backup", "--detach"]) is None
    assert refusal(["verify", "--json"]) is None
    assert refusal(["schedule", "install", "--daily", "02:15"]) is None
    assert "--no-such" in str(refusal(["backup", "--no-such"]))
    assert "no-such" in str(refusal(["no-such", "thing"]))
    assert refusal(["schedule", "no-such"]) is not None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_shown_would_be_taken(document: Path):
    for words in calls(document.read_text()):
        # A sentence may name an option without a value for it.
        value = ["VALUE"] if "requires an argument" in (refusal(words) or "") else []
        assert refusal([*words, *value]) is None, shlex.join(["ocsnap", *words])


def test_most_documents_show_commands():
    showing = [document.name for document in DOCUMENTS if calls(document.read_text())]
    assert len(showing) > 12


def test_every_command_of_a_block_is_known_by_its_name():
    names = {words[0] for each in DOCUMENTS for words in calls(each.read_text())}
    assert {"backup", "restore", "verify", "init", "schedule", "doctor", "prune"} <= names


def test_the_quick_start_works_as_it_is_written(tmp_path: Path):
    cloud = install(tmp_path, files_per_user=3, large_bytes=100_000)
    (tmp_path / "etc").mkdir(mode=0o700)
    config = tmp_path / "etc" / "config.toml"
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text("no store is asked for it\n")
    _, _, without_questions = QUICK_START.partition("\n## Without questions\n")
    setup = next(in_shell(re.sub(r"^ {4}", "", without_questions, flags=re.MULTILINE)))
    (tmp_path / "cron" / "etc" / "cron.d").mkdir(parents=True)
    replaced = {
        "/var/www/owncloud": str(cloud.site.root),
        "s3://oc-backup/cloud": f"file://{tmp_path}/new",
        "/srv/look": str(tmp_path / "look"),
        "/root/s3-secret": str(secret),
    }
    left_out = {"--web-url", "--region", "--access-key-id", "--secret-access-key-file"}
    words = [replaced.get(word, word) for word in setup]
    for option in left_out & set(words):
        # There is no web server and no bucket here.
        del words[words.index(option) : words.index(option) + 2]
    notes = ["--state-dir", str(tmp_path / "notes")]
    done = cloud.run("-c", config, *words, *notes)
    assert done.status == 0, done

    ran = []
    for title in ("## 4. The first backup", "## 5. Let it come by itself"):
        section = QUICK_START.partition(f"\n{title}\n")[2].partition("\n## ")[0]
        for call in calls(section):
            arguments = [replaced.get(word, word) for word in call]
            if call[0] == "schedule":
                arguments += ["--cron"]
            if call[0] in {"schedule", "doctor"}:
                arguments += ["--root", str(tmp_path / "cron")]
            done = cloud.run("-c", config, *arguments)
            # The sheet waits for somebody to confirm it, and doctor stays red until then.
            expected = 18 if call[0] == "doctor" else 0
            assert done.status == expected, (call, done)
            ran.append(call[0])
    assert ran == ["backup", "backup", "status", "verify", "restore", "schedule", "doctor"]
    assert (tmp_path / "cron" / "etc" / "cron.d" / "ocsnap").is_file()
    assert any((tmp_path / "look").rglob("*.txt"))

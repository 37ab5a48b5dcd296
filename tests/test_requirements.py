"""What is installed is pinned with hashes, and from nowhere in particular."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1]
PIN = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+( \\\n    --hash=sha256:[0-9a-f]{64})+")


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-build.txt"])
def test_every_package_is_pinned_with_its_hashes(name: str):
    text = re.sub(r"^#.*\n", "", (FOLDER / name).read_text(), flags=re.MULTILINE)
    pins = re.split(r"\n(?! )", text.rstrip("\n"))
    assert pins
    for pin in pins:
        assert PIN.fullmatch(pin), pin


@pytest.mark.parametrize(
    "path", sorted(FOLDER.glob("requirements*.txt")), ids=lambda path: path.name
)
def test_no_place_to_download_from_is_named(path: Path):
    assert not re.search(r"https?:|file:|--(extra-)?index|--find-links|@ ", path.read_text())


def test_the_versions_pinned_are_those_that_the_project_allows():
    text = (FOLDER / "requirements.txt").read_text().lower()
    declared = re.search(
        r"^dependencies = \[(.*?)\]",
        (FOLDER / "pyproject.toml").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    assert declared
    for name in re.findall(r'"([A-Za-z0-9-]+)', declared[1]):
        assert re.search(rf"^{re.escape(name)}==", text, re.MULTILINE), name

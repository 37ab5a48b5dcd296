"""The pages that `make docs` builds: the reference is whole, and the contents name every page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
import yaml

from ocsnap.cli.command_tree import pages
from ocsnap.cli.main import register_commands
from ocsnap.commands.reporting.metrics import METRICS
from ocsnap.config.sections import Config

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def gathered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "pages"
    subprocess.run([sys.executable, FOLDER / "tools" / "gather-docs", folder], check=True)
    return folder


def named(contents: object) -> Iterator[str]:
    if isinstance(contents, str):
        yield contents
    elif isinstance(contents, dict):
        for below in contents.values():
            yield from named(below)
    elif isinstance(contents, list):
        for below in contents:
            yield from named(below)


def test_the_contents_name_every_page(gathered: Path):
    settings = yaml.safe_load((FOLDER / "mkdocs.yml").read_text())
    assert sorted(named(settings["nav"])) == sorted(path.name for path in gathered.glob("*.md"))
    assert settings["strict"] is True


def test_the_reference_has_all_that_the_code_has(gathered: Path):
    commands = (gathered / "reference-commands.md").read_text()
    for page in pages(register_commands()):
        assert f"## {' '.join(['ocsnap', *page.words])}\n" in commands
        for parameter in page.parameters:
            for name in parameter.names if not parameter.is_argument else ():
                assert f"`{name}`" in commands
    keys = (gathered / "reference-configuration.md").read_text()
    for section in msgspec.structs.fields(Config):
        _, found, rows = keys.partition(f"\n## [{section.name}]\n")
        assert found
        for key in msgspec.structs.fields(section.type):
            assert f"\n| `{key.name}` | " in rows.partition("\n## ")[0]
    metrics = (gathered / "reference-metrics.md").read_text()
    assert all(f"| `{metric.name}` |" in metrics for metric in METRICS)


def test_mkdocs_warns_of_nothing_and_loads_nothing(gathered: Path, tmp_path: Path):
    pytest.importorskip("mkdocs", reason="make docs installs it")
    settings = (FOLDER / "mkdocs.yml").read_text()
    settings = settings.replace("build/docs/pages", str(gathered))
    settings = settings.replace("build/docs/site", str(tmp_path / "site"))
    (tmp_path / "mkdocs.yml").write_text(settings)
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict"]
    subprocess.run([*command, "--config-file", tmp_path / "mkdocs.yml"], check=True)
    built = [*(tmp_path / "site").rglob("*.html")]
    assert len(built) > 25
    for page in built:
        text = page.read_text()
        for loaded in ('src="http', 'src="//', 'rel="stylesheet" href="http', "@import"):
            assert loaded not in text, page

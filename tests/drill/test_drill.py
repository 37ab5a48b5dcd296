"""A drill restores everything into scratch places, judges it, and leaves nothing behind."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.installation import install
from tests.cli.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.installation import Installation
    from tests.servers.database_server import DatabaseServer


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return install(tmp_path, files_per_user=8, large_bytes=5_000_000)


@pytest.fixture
def on_mariadb(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[Installation, DatabaseServer]]:
    if shutil.which("mariadb-install-db") is None:
        pytest.skip("MariaDB is not installed: apt-get install mariadb-server")
    server: DatabaseServer = request.getfixturevalue("mariadb")
    name = server.new_database()
    made = install(
        tmp_path,
        files_per_user=5,
        large_bytes=0,
        dbtype="mysql",
        mysql=server.login(name, tcp=True),
    )
    yield made, server
    for each in server.databases(name):
        server.run(None, f"DROP DATABASE `{each}`")


def notes(installation: Installation) -> Path:
    return installation.state_dir / "drill"


def scratch_left(installation: Installation) -> list[str]:
    return [p.name for p in notes(installation).iterdir() if p.is_dir() or p.suffix == ".scratch"]


def drill(installation: Installation, *arguments: str, status: int = 0) -> dict[str, Any]:
    told = installation.run("--json", "drill", *arguments)
    assert told.status == status, told
    report: dict[str, Any] = told.json()["report"]
    return report


def test_all_comes_back_and_goes_again(installation: Installation):
    installation.json("backup")
    installation.site.mutate(3)
    installation.json("backup")
    before = State.of(installation.site)
    report = drill(installation)
    assert report["problems"] == []
    assert report["files"] > 30
    assert report["rows"] > 100
    assert report["cross_check"]["compared_contents"] > 10
    assert 0 < report["recovery_seconds"] < 60
    assert report["recovery_point_seconds"] > 0
    assert State.of(installation.site) == before
    assert scratch_left(installation) == []
    text, document = map(Path, report["files_of_report"])
    assert "Recovery time:" in text.read_text()
    assert json.loads(document.read_text())["sound"]


def test_a_dry_run_only_foresees_it(installation: Installation):
    installation.json("backup")
    told = installation.run("--json", "drill", "--dry-run").json()
    assert told["dry_run"]
    assert told["estimate"]["fetch_packs"] >= 1
    assert told["estimate"]["write_bytes"] > 5_000_000
    assert not notes(installation).exists()
    assert "Nothing was done" in installation.run("drill", "-n").out
    assert installation.run("drill", "-n", "--snapshot", "1999-01-01").status == 13


def test_on_a_server_it_uses_a_database_of_its_own(
    on_mariadb: tuple[Installation, DatabaseServer],
):
    installation, server = on_mariadb
    installation.json("backup")
    before = State.of(installation.site)
    name = installation.site.database.name  # type: ignore[union-attr]
    report = drill(installation, "--keep")
    assert report["database"] in server.databases(f"{name}_drill_")
    assert Path(report["folder"], "data").is_dir()
    drill(installation)
    assert server.databases(f"{name}_drill_") == [report["database"]], "what is kept is kept"
    assert State.of(installation.site) == before


def test_what_a_killed_drill_leaves_the_next_removes(
    on_mariadb: tuple[Installation, DatabaseServer],
):
    installation, server = on_mariadb
    installation.json("backup")
    name = installation.site.database.name  # type: ignore[union-attr]
    with installation.started("drill") as process:
        deadline = time.monotonic() + 60
        while not server.databases(f"{name}_drill_") and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert scratch_left(installation), "it was killed in the middle"
    report = drill(installation)
    assert "killed" in report["notes"][0]
    assert server.databases(f"{name}_drill_") == []
    assert scratch_left(installation) == []


def test_interrupted_it_cleans_up_itself(installation: Installation):
    installation.json("backup")
    with installation.started("drill") as process:
        deadline = time.monotonic() + 60
        while not (notes(installation).is_dir() and scratch_left(installation)):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        process.wait()
    assert scratch_left(installation) == []


def test_damage_is_what_it_finds(installation: Installation):
    installation.json("backup")
    pack = max(installation.repository.glob("packs/*/*.gpg"), key=lambda path: path.stat().st_size)
    pack.unlink()
    report = drill(installation, status=18)
    assert report["problems"]
    assert scratch_left(installation) == []
    assert "WRONG" in Path(report["files_of_report"][0]).read_text()


def test_a_row_without_a_file_makes_it_unsound(installation: Installation):
    with installation.site.connected() as database:
        (path,) = database.rows(
            "SELECT path FROM oc_filecache WHERE path LIKE 'files/Photos/%' AND mimetype <> 2"
        )[0]
    for home in installation.site.homes.values():
        (home / path).unlink(missing_ok=True)
    installation.json("backup")
    report = drill(installation, status=18)
    assert report["cross_check"]["counts"]["missing/error"] >= 1


def test_it_never_writes_into_the_data_directory(installation: Installation):
    installation.json("backup")
    told = installation.run("drill", "--scratch", installation.site.data_dir)
    assert told.status == 4, told
    assert installation.run("drill", "--scratch", installation.folder / "absent").status == 15

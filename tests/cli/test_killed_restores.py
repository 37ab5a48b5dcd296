"""A restore that is killed at any point leaves the old site or the new one, never a mixture."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.cli.installation import REPOSITORY, Installation, install
from tests.cli.state import Files, State, differing
from tests.cli.test_freezing import occ, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.database_server import DatabaseServer
    from tests.servers.owncloud_site import Site

SECONDS = 90
CHANGES = 3 if "OCSNAP_KILLS" not in os.environ else int(os.environ["OCSNAP_KILLS"])
"""How many points of each kind of site are tried; `make kills` tries more."""

STEPS = (
    "Checking",
    "Comparing with what stands there",
    "Restoring files",
    "Loading the database",
    "Comparing the loaded rows",
    "Putting everything in place",
)[:: 1 if "OCSNAP_KILLS" in os.environ else 5]
ARGUMENTS = ["--yes", "--no-fingerprint"]


class Whole(NamedTuple):
    """A site: what its files, its rows and its config.php say."""

    files: Files
    rows: dict[str, list[tuple[Any, ...]]]
    settings: dict[str, object]

    @classmethod
    def of(cls, site: Site) -> Whole:
        state = State.of(site)
        return cls(state.files, state.rows, settings(site))


@dataclass
class Sites:
    """An ownCloud that can be put back into the state before a restore.

    Attributes:
        installation: it.
        server: its database server, if it has one.
        old: what stands there before.
        new: what the snapshot has.
        changes: how many changes a whole restore makes.
    """

    installation: Installation
    server: DatabaseServer | None
    old: Whole
    new: Whole
    changes: int = 0

    def restore(self, where: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = self.installation.command()
        config = command[command.index("-c") + 1]
        module = [sys.executable, "-m", "tests.commands.killed_restore"]
        return subprocess.run(
            [*module, config, json.dumps(arguments or ARGUMENTS), where],
            cwd=REPOSITORY,
            env=self.installation.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def is_open(self) -> bool:
        path = self.installation.site.config_path
        return path.exists() and "currently disabled" in occ(
            self.installation.site, "maintenance:mode"
        )

    def stands(self) -> str:
        """Say which of the two sites stands, whole; `neither` is a mixture."""
        now = Whole.of(self.installation.site)
        for name, wanted in (("old", self.old), ("new", self.new)):
            files = set(differing(now.files, wanted.files)) - {"."}
            if not files and now.rows == wanted.rows and now.settings == wanted.settings:
                return name
        return "neither"

    def leftovers(self) -> list[str]:
        site = self.installation.site
        folders = (site.data_dir.parent, site.root, self.installation.state_dir)
        names = [path.name for folder in folders for path in folder.iterdir()]
        found = [name for name in names if name.startswith((".ocsnap-new", "restore-"))]
        if self.server is not None:
            name = str(getattr(site.database, "name", ""))
            found += self.server.databases(f"{name}_ocsnap")
        return found


@pytest.fixture(scope="module", params=["sqlite", "mariadb"])
def sites(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sites]:
    server: DatabaseServer | None = None
    made: dict[str, Any] = {}
    if request.param == "mariadb":
        if shutil.which("mariadb-install-db") is None:
            pytest.skip("MariaDB is not installed: apt-get install mariadb-server")
        server = request.getfixturevalue("mariadb")
        made = {"dbtype": "mysql", "mysql": server.login(server.new_database(), tcp=True)}
    folder = tmp_path_factory.mktemp(request.param)
    installation = install(folder, files_per_user=4, large_bytes=1000, users=("alice",), **made)
    installation.json("backup")
    new = Whole.of(installation.site)
    installation.site.mutate(3, changes=12)
    (installation.site.homes["alice"] / "files" / "only old").write_text("old")
    found = Sites(installation, server, Whole.of(installation.site), new)
    whole = found.restore("change:0")
    assert whole.returncode == 0, whole.stderr
    found.changes = int(whole.stderr.rpartition("changes: ")[2])
    assert found.stands() == "new"
    back = installation.run("restore", "--undo", "--yes")
    assert back.status == 0, back
    assert found.stands() == "old"
    yield found
    if server is not None:
        for name in server.databases(installation.site.database.name):  # type: ignore[union-attr]
            server.run(None, f"DROP DATABASE `{name}`")


def _points(changes: int) -> list[str]:
    every = [f"change:{number * sign}" for number in range(1, changes + 1) for sign in (1, -1)]
    return random.Random(CHANGES).sample(every, min(CHANGES, len(every)))


def test_killed_at_random_changes(sites: Sites):
    assert sites.changes >= 8
    seen = [_try(sites, point) for point in _points(sites.changes)]
    assert len(seen) >= CHANGES or len(seen) == 2 * sites.changes


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step(sites: Sites, step: str):
    if step == "Comparing the loaded rows" and sites.server is None:
        pytest.skip("SQLite's file is checked by SQLite")
    _try(sites, f"step:{step}")


def test_killed_while_it_is_undone(sites: Sites):
    arguments = ("--undo", "--yes")
    assert sites.restore("change:0").returncode == 0
    whole = sites.restore("change:0", *arguments)
    assert sites.stands() == "old"
    changes = int(whole.stderr.rpartition("changes: ")[2])
    for point in _points(changes)[: 2 if "OCSNAP_KILLS" not in os.environ else None]:
        assert sites.restore("change:0").returncode == 0
        assert sites.stands() == "new"
        killed = sites.restore(point, *arguments)
        assert killed.returncode == -signal.SIGKILL, (point, killed.stderr)
        if sites.is_open():
            assert sites.stands() != "neither", f"{point}: a mixture is open"
        told = sites.installation.run("unlock")
        assert told.status in {0, 16}, (point, told)
        if sites.is_open():
            assert sites.stands() != "neither", f"{point}: unlock opened a mixture"
        after = sites.installation.run("restore", "--undo", "--yes")
        # Killed at the very end there is nothing left to do.
        assert after.status in {0, 14}, (point, after)
        assert sites.stands() == "old", point
        assert sites.is_open(), point


def _try(sites: Sites, point: str) -> str:
    """Kill a restore there, look, and take one of the ways out; the old site stands afterwards."""
    killed = sites.restore(point)
    assert killed.returncode == -signal.SIGKILL, (point, killed.stderr)
    installation = sites.installation
    if sites.is_open():
        assert sites.stands() != "neither", f"{point}: a mixture is open"
    told = installation.run("unlock")
    if told.status == 0:
        assert sites.stands() != "neither", f"{point}: unlock opened a mixture"
    else:
        assert told.status == 16, (point, told)
        assert not sites.is_open(), f"{point}: unlock refused, and it is open"
        assert installation.run("backup").status == 16, point
    ways = ("--undo", "--resume", "--yes") if told.status else ("--yes", "--undo")
    way = random.Random(point).choice(ways)
    arguments = ["--yes", "--no-fingerprint"] if way == "--yes" else [way]
    after = installation.run("restore", *arguments, "--yes")
    assert after.status == 0 or (way == "--undo" and after.status == 14), (point, way, after)
    assert sites.is_open(), (point, way)
    stands = sites.stands()
    assert stands == ("old" if way == "--undo" and after.status == 0 else stands)
    assert stands != "neither", (point, way)
    for _ in range(2):  # one that died near its end was finished, and another followed
        if sites.stands() == "new":
            back = installation.run("restore", "--undo", "--yes")
            assert back.status == 0, (point, way, back)
    assert sites.stands() == "old", (point, way)
    assert sites.is_open(), (point, way)
    left = [name for name in sites.leftovers() if not name.startswith(".ocsnap-new")]
    assert left == [], (point, way)
    return way


def test_nothing_is_kept_once_it_is_forgotten(sites: Sites):
    """The last test of these sites: after it there is nothing left to go back to."""
    assert sites.restore("change:0").returncode == 0
    gone = sites.installation.json("restore", "--forget-kept", "--yes")
    assert gone["kept"] == []
    assert gone["removed"]
    assert sites.stands() == "new"
    assert sites.leftovers() == []
    assert not [*sites.installation.site.data_dir.parent.glob(".ocsnap-*")]
    if sites.server is not None:
        name = str(getattr(sites.installation.site.database, "name", ""))
        assert sites.server.databases(f"{name}_") == []

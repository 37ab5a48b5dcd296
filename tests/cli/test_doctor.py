"""The doctor: all green where all is well, and each thing that is broken told with its cure."""

from __future__ import annotations

import json
import shlex
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from ocsnap.commands.restore.journal import Journal, Phase, write
from ocsnap.repository.lock_survey import LockRecord
from tests.cli.installation import install
from tests.cli.keys import new_key
from tests.cli.terminal import talk
from tests.cli.test_interruptions import is_frozen, wait_until
from tests.servers.owncloud_web import running_web

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cli.installation import Installation
    from tests.servers.database_server import DatabaseServer
    from tests.servers.s3 import S3Server

Lights = dict[str, list[dict[str, str]]]


def machine(installation: Installation) -> Path:
    """The files of the machine, apart from ownCloud's: no schedule of this one is looked at."""
    root = installation.folder / "machine"
    (root / "etc" / "cron.d").mkdir(parents=True, exist_ok=True)
    return root


def examined(installation: Installation, *arguments: str) -> tuple[int, Lights]:
    """Return the exit status, and the findings by their check."""
    done = installation.run("--json", "doctor", "--root", machine(installation), *arguments)
    found: Lights = {}
    for finding in done.json()["findings"]:
        found.setdefault(finding["check"], []).append(finding)
    assert (done.status == 0) == done.json()["healthy"], done
    assert done.status in {0, 18}
    for findings in found.values():
        for finding in findings:
            assert bool(finding["advice"]) == (finding["light"] in {"red", "yellow"}), finding
    return done.status, found


def lights(found: Lights, check: str) -> set[str]:
    return {finding["light"] for finding in found[check]}


def red(found: Lights) -> set[str]:
    return {name for name in found if "red" in lights(found, name)}


@pytest.fixture(scope="module")
def all_done(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A machine on which all has been done, and a copy of its files beside it."""
    installation = install(tmp_path_factory.mktemp("well") / "machine")
    installation.set("metrics", textfile=f"{installation.folder}/ocsnap.prom")
    installation.json("backup")
    installation.json("verify")
    installation.json("drill")
    installation.json("schedule", "install", "--cron", "--root", machine(installation))
    end = (installation.folder / "passphrase").read_text().strip()[-8:]
    assert installation.run("recovery-sheet", "--confirm", stdin=end + "\n").status == 0
    installation.config.chmod(0o600)
    shutil.copytree(installation.folder, installation.folder.with_name("copy"), symlinks=True)
    return installation


@pytest.fixture
def well(all_done: Installation) -> Iterator[Installation]:
    """Lend out that machine; afterwards it is as before."""
    settings = {section: dict(table) for section, table in all_done.settings.items()}
    yield replace(all_done, settings=settings)
    shutil.rmtree(all_done.folder)
    shutil.copytree(all_done.folder.with_name("copy"), all_done.folder, symlinks=True)


def test_all_is_well(well: Installation):
    with running_web(well.site.root) as url:
        well.set("owncloud", url=url)
        status, found = examined(well)
        assert status == 0
        assert {light for name in found for light in lights(found, name)} <= {"green"}, found
        assert not list((well.repository / "probes").iterdir())
        quiet = well.run("-q", "doctor", "--root", machine(well))
        assert (quiet.status, quiet.out, quiet.err) == (0, "", "")


def test_nothing_has_been_done(installation: Installation):
    status, found = examined(installation)
    assert status == 18
    assert red(found) == {"snapshots", "schedule", "recovery sheet"}
    assert lights(found, "repository") == {"yellow"}
    assert lights(found, "verified") == {"yellow"}
    assert lights(found, "messages") == {"yellow"}
    assert "Nobody is told" in found["messages"][0]["text"]
    (installation.folder / "passphrase").write_text("hunter2 hunter2\n")
    _, found = examined(installation)
    assert lights(found, "key") == {"green", "yellow"}


def test_as_text_and_in_colour(installation: Installation):
    plain = installation.run("doctor", "--root", machine(installation))
    assert plain.status == 18
    assert "\x1b" not in plain.out
    lines = plain.out.splitlines()
    at = lines.index("RED    schedule: No schedule is installed.")
    call = f"ocsnap -c {shlex.quote(str(installation.config))}"
    assert lines[at + 1] == f"       To do: Run: {call} schedule install"
    quiet = installation.run("-q", "doctor", "--root", machine(installation)).out.splitlines()
    assert {line[:7] for line in quiet} == {"RED    ", "       "}
    said = talk(installation, "doctor", "--root", machine(installation))
    assert said.ends() == 18
    assert "\x1b[1;31m✗ schedule" in said.shown
    assert "\x1b[32m✓ rights" in said.shown


def test_a_configuration_that_is_none(installation: Installation):
    installation.set("owncloud", rot="/x")
    done = installation.run("--json", "doctor")
    assert done.status == 18
    (finding,) = done.json()["findings"]
    assert (finding["check"], finding["light"]) == ("configuration", "red")
    assert "owncloud.rot" in finding["text"]


def _readable(well: Installation) -> None:
    (well.folder / "passphrase").chmod(0o644)


def _no_occ(well: Installation) -> None:
    (well.site.root / "occ").write_text("<?php exit(7);")


def _no_owncloud(well: Installation) -> None:
    well.set("owncloud", root=str(well.folder))


def _frozen(well: Installation) -> None:
    path = well.site.config_path
    path.write_text(path.read_text().replace("=> false", "=> true"))


def _overlay(well: Installation) -> None:
    well.site.overlay("other", maintenance=False)


def _no_database(well: Installation) -> None:
    well.set("database", name=str(well.folder / "nothing.db"))


def _no_receivers(well: Installation) -> None:
    well.set("notify", urls_file=str(well.folder / "none"))


def _no_storage(well: Installation) -> None:
    well.set("repository", url="file:///nowhere/at/all")


def _other_passphrase(well: Installation) -> None:
    (well.folder / "passphrase").write_text("Not the one that it was made with at all\n")
    shutil.rmtree(well.state_dir)


def _no_schedule(well: Installation) -> None:
    shutil.rmtree(machine(well))


def _no_web(well: Installation) -> None:
    well.set("owncloud", url="http://127.0.0.1:9")


def _last_run_failed(well: Installation) -> None:
    with well.site.fault("database-down"):
        assert well.run("-q", "backup").status == 5


def _unsound(well: Installation) -> None:
    pack = next(path for path in (well.repository / "packs").rglob("*.gpg"))
    pack.unlink()
    assert well.run("-q", "verify").status == 10


def _blind(well: Installation) -> None:
    folder = machine(well) / "etc" / "php" / "8.2" / "fpm"
    folder.mkdir(parents=True)
    (folder / "php.ini").write_text("opcache.validate_timestamps = 0\n")


@pytest.mark.parametrize(
    ("spoil", "bad", "blocked"),
    [
        (_readable, {"rights"}, set()),
        (_no_occ, {"occ"}, set()),
        (_no_owncloud, {"ownCloud"}, {"occ", "settings", "opcode cache", "database", "special"}),
        (_frozen, {"occ"}, set()),
        (_overlay, {"settings"}, set()),
        (_no_database, {"database"}, {"special"}),
        (
            _no_storage,
            {"storage", "recovery sheet"},
            {"repository", "repository locks", "snapshots"},
        ),
        (_no_receivers, {"rights", "messages"}, set()),
        (_other_passphrase, {"repository", "recovery sheet"}, set()),
        (_no_schedule, {"schedule"}, set()),
        (_no_web, {"web server"}, set()),
        (_last_run_failed, {"snapshots"}, set()),
        (_unsound, {"verified"}, set()),
        (_blind, {"opcode cache"}, set()),
    ],
)
def test_what_is_broken(
    well: Installation, spoil: Callable[[Installation], None], bad: set[str], blocked: set[str]
):
    spoil(well)
    _, found = examined(well)
    assert red(found) == bad
    assert {name for name in found if lights(found, name) == {"grey"}} == blocked


def test_an_old_snapshot(well: Installation):
    record = well.state_dir / "runs" / "backup.json"
    assert examined(well, "--max-age", "1h")[0] == 0
    (name,) = (well.repository / "snapshots").iterdir()
    name.rename(name.with_name("20200101T000000Z" + name.name[16:]))
    status, found = examined(well)
    assert status == 18
    assert red(found) == {"snapshots"}
    assert "too old" in found["snapshots"][0]["text"]
    assert json.loads(record.read_bytes())["finished"]


def test_what_a_dead_one_has_left(well: Installation):
    well.set("maintenance", settle_seconds=20)
    with well.started("backup") as process:
        wait_until(lambda: is_frozen(well), "the window")
        beside, found = examined(well)
        assert beside == 0
        assert "a backup" in found["locks"][0]["text"]
        assert lights(found, "occ") == {"green"}
        lease = (well.state_dir / "maintenance.lease").read_bytes()
        process.kill()
        process.communicate(timeout=40)
    wait_until(lambda: not is_frozen(well), "the guardian's work")
    (well.state_dir / "maintenance.lease").write_bytes(lease)
    _, found = examined(well)
    assert red(found) == {"locks", "snapshots"}
    call = f"ocsnap -c {shlex.quote(str(well.config))}"
    assert found["locks"][0]["advice"] == f"Run: {call} unlock"


def test_who_is_at_work_on_the_repository_from_elsewhere(well: Installation):
    locks = well.repository / "locks"
    locks.mkdir(exist_ok=True)
    of_others = LockRecord(machine="elsewhere", process=1, process_start="then")
    (locks / f"prune-{'a' * 32}-0").write_bytes(msgspec.json.encode(of_others))
    status, found = examined(well)
    assert status == 0
    (said,) = found["repository locks"]
    assert said["text"] == "At work on the repository: a prune, last heard of 0 minutes ago."


def test_a_store_and_a_server(s3: S3Server, mariadb: DatabaseServer, tmp_path: Path):
    name = mariadb.new_database()
    made = install(tmp_path / "m", dbtype="mysql", mysql=mariadb.login(name, tcp=True))
    made.settings["repository"] = s3.settings(s3.new_bucket(), "oc", tmp_path)
    mariadb.run(name, "ALTER TABLE oc_jobs ENGINE=MyISAM")
    made.json("backup")
    _, found = examined(made)
    assert red(found) == {"schedule", "recovery sheet"}
    assert lights(found, "storage") == {"green"}
    assert any("oc_jobs (MyISAM)" in finding["text"] for finding in found["database"])
    made.set("repository", access_key_id="nobody")
    _, found = examined(made)
    assert "storage" in red(found)


def test_a_restore_that_died(well: Installation):
    journal = Journal(
        stamp="20261101-203000.000000",
        phase=Phase.BUILDING,
        snapshot="0" * 64,
        version="11.0.0",
        root=str(well.site.root),
    )
    write(well.state_dir, journal)
    _, found = examined(well)
    assert "locks" in red(found)
    assert "--undo" in found["locks"][0]["advice"]


def test_keys_that_are_here_and_should_not_be(installation: Installation, tmp_path: Path):
    admin = new_key(tmp_path / "admin", "Admin <admin@example.org>")
    installation.settings["encryption"] = {
        "recipients": [admin.fingerprint],
        "key_files": [str(admin.public_file)],
    }
    _, found = examined(installation)
    assert lights(found, "key") == {"green"}
    installation.set("encryption", key_files=[str(admin.secret_file)])
    _, found = examined(installation)
    assert lights(found, "key") == {"yellow"}


def test_no_place_for_notes(installation: Installation):
    installation.settings["backup"]["state_dir"] = "/proc/nowhere"
    _, found = examined(installation)
    assert "room" in red(found)
    assert lights(found, "key") == {"grey"}

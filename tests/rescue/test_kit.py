"""Each repository carries what it takes to read it without ocsnap."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ocsnap.errors import AccessDeniedError
from ocsnap.repository.rescue import kit
from ocsnap.storage.count import Counting
from tests.cli.installation import install
from tests.cli.state import State
from tests.commands.host import make_host
from tests.rescue.script import SCRIPT, Machine
from tests.servers.ocsnap_settings import PASSPHRASE

if TYPE_CHECKING:
    from tests.cli.installation import Installation
    from tests.snapshot.studio import Studio

DOCUMENT = Path(__file__).parents[2] / "docs" / "format.md"


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return install(tmp_path)


def stored(installation: Installation) -> dict[str, Path]:
    return {path.name[65:]: path for path in (installation.repository / "rescue").iterdir()}


def test_it_is_the_script_and_the_document():
    contents = {file.name[len(kit.FOLDER) + 65 :]: file.data for file in kit.files()}
    assert contents == {
        "ocsnap-rescue.py": SCRIPT.read_bytes(),
        "format.md": DOCUMENT.read_bytes(),
    }
    for file in kit.files():
        assert kit.digest_of(file.name) == file.sha256 == hashlib.sha256(file.data).hexdigest()


def test_it_is_stored_once_and_later_versions_add_theirs(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
):
    counting = Counting(studio.workshop.storage)
    with studio.workshop.opened() as repository:
        kit.store(counting, repository.cache)
        assert (counting.objects_put, counting.requests) == (2, 3), "a listing, and two objects"
        kit.store(counting, repository.cache)
        assert counting.requests == 3
    with studio.elsewhere("another-host").workshop.opened() as repository:
        kit.store(counting, repository.cache)
        assert counting.objects_put == 2
        later = kit.RescueFile("rescue/" + "1" * 64 + "-ocsnap-rescue.py", "1" * 64, b"later")
        monkeypatch.setattr(kit, "files", lambda: [later])
        kit.store(counting, repository.cache)
    assert len(list(counting.list(kit.FOLDER))) == 3


def test_a_key_that_may_not_store_it_stops_no_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def denied(*_: object) -> None:
        raise AccessDeniedError("The storage rejects the key.")

    monkeypatch.setattr(kit, "store", denied)
    host = make_host(tmp_path, files_per_user=2, large_bytes=0)
    host.backup()
    assert "no script to restore it" in " ".join(host.monitor.notes)


def test_an_old_repository_gets_it_at_the_next_backup(installation: Installation):
    installation.json("backup")
    for path in stored(installation).values():
        path.unlink()
    # What a host knows that never heard of the kit.
    (cache,) = installation.state_dir.glob("*/cache.db")
    code = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]);"
        "db.execute(\"DELETE FROM note WHERE key LIKE 'rescue%'\");"
        "db.execute(\"DELETE FROM object WHERE name LIKE 'rescue/%'\"); db.commit()"
    )
    subprocess.run([sys.executable, "-c", code, cache], check=True)
    assert installation.json("verify")["sound"], "nothing is wrong with it"
    installation.json("backup")
    assert stored(installation).keys() == {"ocsnap-rescue.py", "format.md"}


@pytest.mark.parametrize("lost", [True, False])
def test_damage_is_found_and_mended_by_the_next_backup(installation: Installation, *, lost: bool):
    installation.json("backup")
    script = stored(installation)["ocsnap-rescue.py"]
    content = script.read_bytes()
    if lost:
        script.unlink()
    else:
        script.chmod(0o600)
        script.write_bytes(content.replace(b"gpg", b"gqg", 1))
    told = installation.run("--json", "verify", "--read-data")
    assert told.status == 10
    damages = told.json()["report"]["damages"]
    assert [damage["name"] for damage in damages] == [f"rescue/{script.name}"]
    installation.json("backup")
    assert script.read_bytes() == content
    assert installation.json("verify", "--read-data")["sound"]


def test_snapshots_say_which_scripts_are_genuine(installation: Installation):
    installation.json("backup")
    code = b"print('give me your passphrase')"
    planted = f"{hashlib.sha256(code).hexdigest()}-ocsnap-rescue.py"
    (installation.repository / "rescue" / planted).write_bytes(code)
    told = installation.run("verify")
    assert told.status == 0
    assert f"rescue/{planted} is named by no snapshot" in told.err
    genuine = stored(installation)["format.md"].name
    assert genuine not in told.err


def test_a_whole_site_comes_back_without_ocsnap(
    installation: Installation, tmp_path: Path, gpg_home: Path
):
    for seed in (1, 2):
        wanted = State.of(installation.site)
        installation.json("backup")
        installation.site.mutate(seed, changes=30)
    machine = tmp_path / "bare machine"
    machine.mkdir()
    (machine / "passphrase").write_text(PASSPHRASE)
    script = machine / "ocsnap-rescue.py"
    script.write_bytes(stored(installation)["ocsnap-rescue.py"].read_bytes())
    rescue = Machine(machine, gpg_home, machine / "passphrase")
    told = rescue.run("restore", installation.repository, "out")
    assert told.status == 0, told
    site = installation.site
    for place, name in ((site.data_dir, "data"), (site.root / "config", "config")):
        subprocess.run(["rm", "-r", place], check=True)
        (machine / "out" / name).rename(place)
    (machine / "out" / "database" / "owncloud.sqlite").rename(site.data_dir / "owncloud.db")
    assert State.of(site).rows == wanted.rows
    assert State.of(site).files.keys() == wanted.files.keys()
    assert State.of(site).config == wanted.config


def test_the_page_says_how_to_see_which_script_is_genuine(
    installation: Installation, gpg_home: Path
):
    installation.json("backup")
    (snapshot,) = (installation.repository / "snapshots").iterdir()
    passphrase = installation.folder / "passphrase"
    options = f"--batch --quiet --homedir {gpg_home} --pinentry-mode loopback"
    command = f"gpg {options} --passphrase-file {passphrase} -d {snapshot}"
    told = subprocess.run(
        ["bash", "-c", f"{command} | grep -A 3 '\"rescue\"'"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert all(path.name in told for path in stored(installation).values())

"""The script alone gets back what ocsnap gets back, from sound repositories and damaged ones."""

from __future__ import annotations

import ast
import os
import random
import runpy
import shutil
import socket
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import vermin
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocsnap.monitor import SilentMonitor
from ocsnap.repository import tree
from ocsnap.repository.blob import BlobKind
from ocsnap.repository.snapshot import Root, RootKind
from ocsnap.repository.tree import Entry
from ocsnap.storage.local import LocalStorage
from tests.crypto.keyring import keyring
from tests.repository.workshop import PASSPHRASE, Workshop
from tests.rescue.script import SCRIPT, Machine
from tests.snapshot.garden import CHANGES, PLANTING, Change, Garden
from tests.snapshot.likeness import allocated_bytes, differences, portrait
from tests.snapshot.shaft import dig
from tests.snapshot.studio import Studio

if TYPE_CHECKING:
    from collections.abc import Callable

OLDEST_PYTHON = "3.8"
MODULE: dict[str, Any] = runpy.run_path(str(SCRIPT))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"), max_size=300)
    | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=30,
)


def test_it_runs_on_old_pythons_and_needs_no_package():
    source = SCRIPT.read_text()
    assert vermin.version_strings(vermin.visit(source).minimum_versions()[1:]) <= OLDEST_PYTHON
    tree = ast.parse(source, feature_version=(3, 8))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else map(_name, node.names))
    }
    assert "ocsnap" not in imported
    assert {"msgpack", "zstandard"}.isdisjoint(imported)


def _name(alias: ast.alias) -> str:
    return alias.name


def test_it_knows_every_field_of_an_entry():
    assert MODULE["ENTRY"] == Entry.__struct_fields__


@given(VALUES)
def test_its_messagepack_is_that_of_everybody(value: object):
    assert MODULE["unpacked"](msgspec.msgpack.encode(value)) == value


@given(st.binary(max_size=60))
def test_bytes_that_are_no_messagepack_are_damage(data: bytes):
    with suppress(MODULE["Damaged"]):
        MODULE["unpacked"](data)


@pytest.mark.parametrize("mode", ["passphrase", "public key"])
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    planting=st.lists(PLANTING, min_size=3, max_size=12),
    days=st.lists(st.lists(CHANGES, max_size=8), max_size=2),
)
def test_odd_trees_come_back_as_ocsnap_brings_them(
    mode: str, planting: list[Change], days: list[list[Change]]
):
    with tempfile.TemporaryDirectory(prefix="ocsnap-") as name, keyring() as ring:
        folder = Path(name)
        repository = folder / "repository"
        repository.mkdir()
        passphrase = folder / "passphrase"
        passphrase.write_text(f"{PASSPHRASE}\n")
        machine = Machine(folder, ring.home, passphrase)
        workshop = Workshop(folder / "workshop", LocalStorage(repository))
        if mode == "public key":
            workshop.cipher = ring.cipher(recipients=(ring.make_key("backup"),))
            machine = Machine(folder, ring.home)
        studio = Studio(workshop)
        garden = Garden(folder / "garden")
        for changes in [planting, *days]:
            for change in changes:
                change.apply(garden)
            stored = studio.backup(garden.root).stored
        studio.restore(stored, folder / "by ocsnap")
        told = machine.run("restore", repository, folder / "by hand", "--snapshot", stored.id)
        assert told.status == 0, told
        wanted, found = portrait(folder / "by ocsnap"), portrait(folder / "by hand" / "data")
        assert differences(wanted, found) == []


@pytest.fixture
def garden(folder: Path) -> Path:
    """A folder with something of every kind."""
    rng = random.Random(5)
    (folder / "inside" / "deeper").mkdir(parents=True)
    for number in range(30):
        (folder / "inside" / f"file {number}").write_bytes(rng.randbytes(3000 + number))
    (folder / "large").write_bytes(rng.randbytes(9_000_000))
    with (folder / "holes").open("wb") as file:
        file.truncate(3_000_000)
        file.seek(1_000_000)
        file.write(b"between holes")
    (folder / "link").symlink_to("../elsewhere")
    (folder / "twin").hardlink_to(folder / "inside" / "file 3")
    os.mkfifo(folder / "pipe", 0o640)
    (folder / "inside" / "deeper" / "empty").touch(mode=0o4711)
    os.utime(folder / "inside", ns=(1, 1_234_567_890_123_456_789))
    return folder


def test_what_lies_deeper_than_any_path_comes_back(
    studio: Studio, machine: Machine, repository: Path, folder: Path
):
    dig(folder).close()
    studio.backup(folder)
    told = machine.run("restore", repository, "out")
    assert told.status == 0, told.out[-2000:]
    wanted = portrait(folder)
    found = portrait(machine.folder / "out" / "data")
    shutil.rmtree(machine.folder / "out")
    assert differences(wanted, found) == []


def test_holes_stay_holes(studio: Studio, machine: Machine, repository: Path, garden: Path):
    studio.backup(garden)
    assert machine.run("restore", repository, "out").status == 0
    assert allocated_bytes(machine.folder / "out" / "data" / "holes") < 300_000


def test_a_part_is_listed_and_restored(
    studio: Studio, machine: Machine, repository: Path, garden: Path
):
    studio.backup(garden)
    told = machine.run("files", repository, "--only", "data/inside/deeper")
    assert [line.split(maxsplit=4)[4] for line in told.out.splitlines()] == [
        "data/inside/deeper",
        "data/inside/deeper/empty",
    ]
    assert machine.run("restore", repository, "out", "--only", "data/inside").status == 0
    wanted = portrait(garden / "inside")
    found = portrait(machine.folder / "out" / "data" / "inside")
    twin = b"file 3"
    wanted[twin] = wanted[twin]._replace(twins=found[twin].twins)
    assert differences(wanted, found) == []
    assert [path.name for path in (machine.folder / "out" / "data").iterdir()] == ["inside"]
    assert machine.run("restore", repository, "none", "--only", "data/inside/absent").status == 1


def test_an_edited_file_is_told_by_extents_and_comes_back(
    studio: Studio, machine: Machine, repository: Path, garden: Path
):
    before = studio.backup(garden)
    with (garden / "large").open("r+b") as file:
        file.seek(4_000_000)
        file.write(b"edited inside")
    after = studio.backup(garden)
    assert after.statistics.raw_delta_bytes < 1_000_000
    for backup, name in ((before, "old"), (after, "new")):
        told = machine.run("restore", repository, name, "--snapshot", backup.stored.short_id)
        assert told.status == 0, told
    new = machine.folder / "new" / "data"
    assert differences(portrait(garden), portrait(new)) == []
    old = (machine.folder / "old" / "data" / "large").read_bytes()
    assert b"edited inside" not in old
    assert len(old) == 9_000_000


def test_snapshots_are_listed_oldest_first(
    studio: Studio, machine: Machine, repository: Path, garden: Path
):
    names = [studio.backup(garden).stored.name.partition("/")[2] for _ in range(2)]
    told = machine.run("list", repository)
    assert told.status == 0
    assert told.lines("2") == sorted(names)


def rot(path: Path, at: int | None = None) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if at is None else at] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)


@pytest.mark.parametrize(
    "harm", [Path.unlink, rot, lambda path: path.write_bytes(b"")], ids=["lost", "rotten", "empty"]
)
def test_without_an_index_the_trailers_of_the_packs_do(
    studio: Studio,
    machine: Machine,
    repository: Path,
    garden: Path,
    harm: Callable[[Path], object],
):
    studio.backup(garden)
    for path in (repository / "index").iterdir():
        path.chmod(0o600)
        harm(path)
    told = machine.run("restore", repository, "out")
    assert told.status == 0, told
    assert differences(portrait(garden), portrait(machine.folder / "out" / "data")) == []


def test_of_a_damaged_pack_all_comes_back_but_what_is_hit(
    studio: Studio, machine: Machine, repository: Path, garden: Path
):
    studio.backup(garden)
    pack = max((repository / "packs").glob("*/*.gpg"), key=lambda path: path.stat().st_size)
    rot(pack)
    name = pack.relative_to(repository).as_posix()
    checked = machine.run("check", repository)
    assert checked.status == 1
    assert len(checked.lines(f"DAMAGED {name}")) == 1
    told = machine.run("restore", repository, "out")
    assert told.status == 1
    lost = told.lines("LOST ")
    assert len(lost) == 1, "9 MB of the pack are one file, which is where its middle lies"
    assert "/data/large: " in lost[0]
    wanted = portrait(garden)
    del wanted[b"large"]
    assert differences(wanted, portrait(machine.folder / "out" / "data")) == []


def test_directories_that_list_one_another_end_in_a_sentence(
    studio: Studio, machine: Machine, repository: Path, folder: Path
):
    with studio.workshop.opened() as opened:
        opened.synchronise(SilentMonitor())
        below = Entry(b"x", stat.S_IFDIR | 0o755, 0, 0, 0, 0, 0)
        for _ in range(4):
            entries = [
                msgspec.structs.replace(below, name=f"{number:03}".encode())
                for number in range(1000)
            ]
            parts = tuple(
                opened.writer.save(BlobKind.META, part)[0] for part in tree.encode(entries)
            )
            below = msgspec.structs.replace(below, subtree=parts)
        opened.flush()
        root = Root(kind=RootKind.DATA, name="data", path=b"/data", entry=below)
        snapshot = msgspec.structs.replace(
            studio.backup(folder).stored.snapshot, roots=[root], started=4e9
        )
        opened.commit(snapshot)
    told = machine.run("restore", repository, "out")
    assert told.status == 2
    assert "far larger than its snapshot says" in told.out


def test_a_wrong_passphrase_is_said_to_be_so(
    studio: Studio, machine: Machine, repository: Path, garden: Path
):
    studio.backup(garden)
    assert machine.passphrase_file is not None
    machine.passphrase_file.write_text("another one\n")
    told = machine.run("restore", repository, "out")
    assert told.status == 2
    assert "Is the passphrase right" in told.out
    assert not (machine.folder / "out").exists()


def test_what_stands_there_is_not_touched(
    studio: Studio, machine: Machine, repository: Path, garden: Path
):
    studio.backup(garden)
    (machine.folder / "out").mkdir()
    (machine.folder / "out" / "mine").touch()
    told = machine.run("restore", repository, "out")
    assert told.status == 2
    assert [path.name for path in (machine.folder / "out").iterdir()] == ["mine"]
    assert machine.run("list", machine.folder).status == 2, "no repository at all"


def test_sockets_are_named(studio: Studio, machine: Machine, repository: Path, folder: Path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "s"))
        studio.backup(folder)
    told = machine.run("restore", repository, "out")
    assert told.status == 0
    assert len(told.lines("Left out")) == 1


def test_whose_signature_a_snapshot_has_is_shown(tmp_path: Path, repository: Path, folder: Path):
    with keyring() as server, keyring() as admin:
        key = admin.make_key("backup")
        admin.give(server, key)
        signer = server.make_key("server", usage="sign")
        cipher = server.cipher(recipients=(key,), sign_with=signer)
        studio = Studio(Workshop(tmp_path / "workshop", LocalStorage(repository), cipher))
        (folder / "file").write_bytes(b"content")
        studio.backup(folder)
        machine = Machine(tmp_path, admin.home)
        assert "NOT PROVEN" in machine.run("list", repository).out
        assert machine.run("restore", repository, "out").status == 0, "it decrypts all the same"
        server.give(admin, signer)
        assert f"signed by {signer}" in machine.run("list", repository).out

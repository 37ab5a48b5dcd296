"""Damage of every sort to every kind of object: it is named, and all else can be got back."""

from __future__ import annotations

import json
import os
import random
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from ocsnap.errors import CryptoError, DamagedError, LaterFormatError
from ocsnap.monitor import SilentMonitor
from ocsnap.repository.alarm import Acknowledgement, acknowledge
from ocsnap.repository.lock import Lock
from ocsnap.repository.lock_survey import Purpose
from ocsnap.repository.marks import Marks, put_marks
from ocsnap.repository.pin import pin
from ocsnap.repository.repair import Repairer
from ocsnap.repository.rescue import kit
from ocsnap.storage.local import LocalStorage
from ocsnap.storage.memory import MemoryStorage
from tests.repository.workshop import REPOSITORY, Workshop
from tests.snapshot.likeness import Likeness, differences, portrait
from tests.snapshot.studio import Backup, Studio

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ocsnap.errors import OcsnapError
    from ocsnap.snapshot.checker import CheckReport

KINDS = ["packs/", "meta/", "index/", "snapshots/"]
DELETE, TRUNCATE, FLIP, SWAP, OLD = "delete", "truncate", "flip a bit", "swap two", "an old one"
ACTIONS = [DELETE, TRUNCATE, FLIP, SWAP, OLD]


@dataclass
class Scene:
    """Three backups of a folder, and what it looked like each time."""

    studio: Studio
    folder: Path
    backups: list[Backup]
    portraits: list[dict[bytes, Likeness]]
    objects: dict[str, bytes]

    def victims(self, kind: str) -> list[str]:
        """Return an object of the first backup and one of the second."""
        return [name for name in self.objects if name.startswith(kind)][:2]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("folder")
    storage = MemoryStorage()
    studio = Studio(Workshop(tmp_path_factory.mktemp("workshop"), storage))
    backups, portraits = [], []
    rng = random.Random(1)
    for day in range(3):
        below = folder / f"day {day}"
        below.mkdir()
        for number in range(3):
            (below / f"file {number}").write_bytes(rng.randbytes(1000 + day))
        (below / "large").write_bytes(rng.randbytes(200_000))
        with (folder / "day 0" / "large").open("r+b") as large:
            large.seek(1000 * day)
            large.write(b"edited on another day")
        backups.append(studio.backup(folder))
        portraits.append(portrait(folder))
    return Scene(studio, folder, backups, portraits, storage.objects)


@pytest.fixture
def scene(prepared: Scene, tmp_path: Path) -> Scene:
    """A copy of the repository and of the host's cache, to be damaged at will."""
    state = tmp_path / "workshop"
    shutil.copytree(prepared.studio.workshop.folder, state)
    storage = MemoryStorage()
    storage.objects = dict(prepared.objects)
    studio = Studio(Workshop(state, storage))
    return replace(prepared, studio=studio, objects=storage.objects)


def damage(objects: dict[str, bytes], victims: list[str], action: str) -> set[str]:
    """Damage the second victim, or both; return the names of those that suffer."""
    first, last = victims
    content = objects[last]
    if action == DELETE:
        del objects[last]
    elif action == TRUNCATE:
        objects[last] = content[: len(content) // 2]
    elif action == FLIP:
        middle = len(content) // 2
        objects[last] = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    elif action == SWAP:
        objects[last], objects[first] = objects[first], content
        return {first, last}
    else:
        objects[last] = objects[first]
    return {last}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_check_names_what_is_damaged_and_who_suffers(scene: Scene, kind: str, action: str):
    damaged = damage(scene.objects, scene.victims(kind), action)
    reports = [scene.studio.check(read_data=read_data) for read_data in (False, True)]
    for report in reports:
        assert not report.sound
        assert {item.name for item in report.damages} == damaged
        assert all(item.reason for item in report.damages)
    # What the cache still has of a lost object is no comfort to whoever loses the host too.
    assert reports[0].files == reports[1].files
    assert bool(reports[0].files) == (kind in {"packs/", "meta/"})


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_all_that_is_not_damaged_comes_back_elsewhere(
    scene: Scene, tmp_path: Path, kind: str, action: str
):
    damaged = damage(scene.objects, scene.victims(kind), action)
    elsewhere = scene.studio.elsewhere("new")
    check = elsewhere.check(read_data=True)
    # Of what is gone altogether, only its own host and those who miss it can know.
    gone = action == DELETE and kind in {"index/", "snapshots/"}
    assert {item.name for item in check.damages} == (set() if gone else damaged)
    assert check.sound == (gone and kind == "snapshots/")
    monitor = SilentMonitor()
    with elsewhere.synchronised() as repository:
        readable = repository.snapshots(monitor)
    lost_snapshots = (2 if action == SWAP else 1) if kind == "snapshots/" else 0
    assert len(readable) == 3 - lost_snapshots
    assert len(monitor.problems) == (0 if gone else lost_snapshots)
    # Of a pack with a wrong bit in it, all blobs that the bit is not in are still right.
    partly = action == FLIP and kind == "packs/"
    for number, backup in enumerate(scene.backups):
        if backup.stored in readable:
            lost, named = all_else_comes_back(
                scene, elsewhere, check, number, tmp_path / f"{number}"
            )
            assert lost <= named if partly else lost == named
            assert not partly or lost or number == 0


def all_else_comes_back(
    scene: Scene, elsewhere: Studio, check: CheckReport, number: int, target: Path
) -> tuple[set[str], set[str]]:
    """Restore a backup; return which paths did not come back, and which the check named."""
    stored = scene.backups[number].stored
    lost = {os.path.relpath(path, target) for path in elsewhere.restore(stored, target).failed}
    named = [path for path, ids in check.files.items() if stored.short_id in ids]
    wanted = {
        name: likeness
        for name, likeness in scene.portraits[number].items()
        if not any(is_at_or_below(name.decode(), path) for path in lost)
    }
    back = {
        name: likeness
        for name, likeness in portrait(target).items()
        if (name.decode() or ".") not in lost
    }
    assert differences(wanted, back) == []
    return lost, {os.path.relpath(path, scene.folder) for path in named}


def is_at_or_below(name: str, path: str) -> bool:
    return path in {".", name} or name.startswith(f"{path}/")


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("kind", ["index/", "snapshots/"])
def test_the_next_backup_is_whole_again(scene: Scene, tmp_path: Path, kind: str, action: str):
    """Also on a host that has lost its cache: what nobody finds any more is stored once more."""
    damage(scene.objects, scene.victims(kind), action)
    elsewhere = scene.studio.elsewhere("new")
    (scene.folder / f"new file {action} {kind[:-1]}").write_text("of the day after")
    backup = elsewhere.backup(scene.folder)
    assert backup.statistics.errors == 0
    target = tmp_path / "restored"
    report = scene.studio.elsewhere("third").restore(backup.stored, target)
    assert report.failed == []
    assert differences(portrait(scene.folder), portrait(target)) == []


def test_an_index_that_is_gone_is_written_anew_by_the_host_that_knew_it(
    scene: Scene, tmp_path: Path
):
    for name in [name for name in scene.objects if name.startswith("index/")]:
        del scene.objects[name]
    backup = scene.studio.backup(scene.folder)
    assert backup.statistics.files_read == backup.statistics.new_files
    elsewhere = scene.studio.elsewhere("new")
    for number, stored in enumerate([*(each.stored for each in scene.backups), backup.stored]):
        assert elsewhere.restore(stored, tmp_path / f"{number}").failed == []


@pytest.mark.parametrize("action", [DELETE, FLIP])
def test_a_lost_listing_does_not_stop_the_next_backup(scene: Scene, action: str):
    damage(scene.objects, scene.victims("meta/"), action)
    backup = scene.studio.elsewhere("new").backup(scene.folder)
    assert backup.statistics.errors == 0
    assert any("is read anew" in note for note in backup.monitor.notes)


SMALL = ["acknowledged/", "rescue/", "marks/", "pins/", "locks/"]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("kind", SMALL)
def test_what_no_restore_needs_keeps_nobody_from_one(
    scene: Scene, tmp_path: Path, kind: str, action: str
):
    """What has its SHA-256 in its name is named all the same."""
    store_small_objects(scene)
    damaged = damage(scene.objects, sorted(scene.victims(kind)), action)
    report = scene.studio.check(read_data=True)
    named = {item.name for item in report.damages}
    assert named == (damaged if kind in {"acknowledged/", "rescue/"} else set())
    assert report.files == {}
    elsewhere = scene.studio.elsewhere("new")
    assert elsewhere.restore(scene.backups[0].stored, tmp_path / "restored").failed == []
    assert differences(scene.portraits[0], portrait(tmp_path / "restored")) == []
    assert scene.studio.backup(scene.folder).statistics.errors == 0


def store_small_objects(scene: Scene) -> None:
    """Store two of each of these kinds."""
    ids = [backup.stored.id for backup in scene.backups[:2]]
    with scene.studio.synchronised() as repository:
        kit.store(repository.storage, repository.cache)
        for number, snapshot in enumerate(ids):
            pin(repository.storage, snapshot)
            put_marks(repository.storage, Marks(repository=REPOSITORY), after=number)
            told = Acknowledgement(
                repository=REPOSITORY, snapshot=snapshot, time=0.0, host="cloud", user="root"
            )
            acknowledge(repository, told)
            Lock(
                repository.storage,
                repository=REPOSITORY,
                purpose=Purpose.BACKUP,
                random=random.Random(number),
            ).take()


def damaged_descriptions() -> dict[str, Callable[[bytes], bytes | None]]:
    """Return what may become of the description, None: nothing is left."""
    other = b"f" * len(REPOSITORY)
    ways: dict[str, Callable[[bytes], bytes | None]] = {
        DELETE: lambda _: None,
        TRUNCATE: lambda content: content[: len(content) // 2],
        SWAP: lambda content: content.replace(REPOSITORY.encode(), other),
        OLD: lambda _: b"",
        # A digit that is still one: nothing in the description itself is wrong.
        "flip a digit": lambda content: content.replace(b"0011", b"1011"),
    }
    for place in range(0, 150, 50):
        ways[f"{FLIP} at {place}"] = lambda content, place=place: (
            content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :]
        )
    return ways


DESCRIPTIONS = damaged_descriptions()


def damage_description(objects: dict[str, bytes], way: str) -> None:
    content = objects.pop("ocsnap.json")
    left = DESCRIPTIONS[way](content)
    assert left != content
    if left is not None:
        objects["ocsnap.json"] = left


@pytest.mark.parametrize("way", DESCRIPTIONS)
@pytest.mark.parametrize("host", ["own", "new"])
def test_a_damaged_description_is_named_and_keeps_nobody_from_anything(
    scene: Scene, tmp_path: Path, way: str, host: str
):
    damage_description(scene.objects, way)
    studio = scene.studio if host == "own" else scene.studio.elsewhere(host)
    report = studio.check(read_data=True)
    assert [item.name for item in report.damages] == ["ocsnap.json"]
    assert report.files == {}
    assert studio.restore(scene.backups[0].stored, tmp_path / "restored").failed == []
    assert differences(scene.portraits[0], portrait(tmp_path / "restored")) == []
    backup = studio.backup(scene.folder)
    assert backup.stored.snapshot.parent == scene.backups[-1].stored.id
    assert backup.stored.snapshot.repository == REPOSITORY


@pytest.mark.parametrize("way", DESCRIPTIONS)
def test_repair_writes_the_description_anew(scene: Scene, way: str):
    before = json.loads(scene.objects["ocsnap.json"])
    damage_description(scene.objects, way)
    elsewhere = scene.studio.elsewhere("new")
    lock = Lock(
        scene.studio.workshop.storage,
        repository=REPOSITORY,
        purpose=Purpose.REPAIR,
        random=random.Random(1),
    )
    lock.take()
    with elsewhere.synchronised() as repository:
        assert Repairer(repository, monitor=SilentMonitor()).look([]).described
        assert Repairer(repository, monitor=SilentMonitor()).repair([], lock).described
    lock.release()
    after = json.loads(scene.objects["ocsnap.json"])
    assert after.pop("created") == scene.backups[0].stored.snapshot.started
    assert after == {key: value for key, value in before.items() if key != "created"}
    for studio in (scene.studio, elsewhere, scene.studio.elsewhere("newer")):
        assert studio.check(read_data=True).sound


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (b'"passphrase"', b'"public-key"', CryptoError),
        (b'"recipients": []', b'"recipients": ["' + b"A" * 40 + b'"]', CryptoError),
        (b'"format": 1', b'"format": 3', LaterFormatError),
    ],
)
def test_who_writes_believes_what_may_be_meant_and_who_reads_goes_on(
    scene: Scene, tmp_path: Path, old: bytes, new: bytes, error: type[OcsnapError]
):
    content = scene.objects["ocsnap.json"]
    scene.objects["ocsnap.json"] = content.replace(old, new)
    assert scene.objects["ocsnap.json"] != content
    with pytest.raises(error):
        scene.studio.backup(scene.folder)
    elsewhere = scene.studio.elsewhere("new")
    elsewhere.workshop.reads_only = True
    assert [item.name for item in elsewhere.check(read_data=True).damages] == ["ocsnap.json"]
    assert elsewhere.restore(scene.backups[0].stored, tmp_path / "restored").failed == []


def test_nothing_is_made_up_where_nothing_tells_which_repository_it_is(scene: Scene):
    """No snapshot, no cache, but packs: no place for a new repository."""
    for name in [name for name in scene.objects if name.startswith(("snapshots/", "ocsnap"))]:
        del scene.objects[name]
    with pytest.raises(DamagedError, match="nothing else tells") as caught:
        scene.studio.elsewhere("new").backup(scene.folder)
    assert caught.value.name == "ocsnap.json"
    assert "ocsnap.json" not in scene.objects


def test_snapshots_of_others_do_not_contradict_a_sound_description(scene: Scene):
    """Whoever can write to the bucket, and has the public key, can put such there."""
    foreign = Workshop(scene.folder.parent / "foreign", scene.studio.workshop.storage)
    with foreign.opened() as repository:
        repository.id = "f" * 32
        other = Studio(foreign)
        for number in range(5):
            other.clock.sleep(1 + number)
            other.commit(repository, scene.backups[0].stored.snapshot.roots[0], None)
    elsewhere = scene.studio.elsewhere("new")
    report = elsewhere.check(read_data=False)
    assert "ocsnap.json" not in {item.name for item in report.damages}
    assert report.files == {}


@pytest.mark.parametrize("action", [DELETE, TRUNCATE, FLIP])
def test_a_quick_check_sees_what_the_storage_tells(folder: Path, tmp_path: Path, action: str):
    """A folder tells names and sizes alone; only reading finds a bit that has flipped."""
    place = tmp_path / "repository"
    studio = Studio(Workshop(tmp_path / "workshop", LocalStorage(place)))
    (folder / "file").write_bytes(random.Random(1).randbytes(10_000))
    studio.backup(folder)
    (pack,) = (place / "packs").rglob("*.gpg")
    objects = {"pack": pack.read_bytes()}
    damage(objects, ["pack", "pack"], action)
    pack.unlink() if action == DELETE else pack.write_bytes(objects["pack"])
    assert studio.check(read_data=False).sound == (action == FLIP)
    report = studio.check(read_data=True)
    assert [item.name for item in report.damages] == [str(pack.relative_to(place))]
    assert list(report.files) == [str(folder / "file")]

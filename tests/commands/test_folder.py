"""Folders that others can write: whatever they do meanwhile, root is not led astray."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocsnap.commands.restore_user.folder import Folder, remove_leftover
from ocsnap.commands.restore_user.placing import conflict_name
from ocsnap.errors import LocalIOError, RefusedError

if TYPE_CHECKING:
    from pathlib import Path

NAMES = st.binary(min_size=1, max_size=255).filter(
    lambda name: not set(name) & {0, 0x2F} and name not in {b".", b".."}
)
STAMP = "2026-11-24 203000"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def test_a_private_folder_is_gone_in_the_end(home: Path):
    with Folder.open(home) as folder, folder.private() as private:
        (path,) = home.iterdir()
        assert path.suffix == ".part"
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        (path / "deep" / "deeper").mkdir(parents=True)
        (path / "deep" / "file").touch()
        assert private.look(b"deep")
    assert list(home.iterdir()) == []


def test_a_private_folder_that_is_moved_away_is_still_the_one_that_is_used(
    home: Path, tmp_path: Path
):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "0").write_text("untouched")
    with Folder.open(home) as folder:
        with folder.private() as private:
            (path,) = home.iterdir()
            path.rename(home / "elsewhere")
            path.symlink_to(outside)
            with open(private.path + b"/0", "xb") as file:  # noqa: PTH123 - the path is bytes
                file.write(b"mine")
            private.rename(b"0", folder, b"placed")
        assert path.is_symlink()
    assert (home / "placed").read_bytes() == b"mine"
    assert (outside / "0").read_text() == "untouched"
    assert list((home / "elsewhere").iterdir()) == []


def test_a_private_folder_that_was_exchanged_at_once_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    mkdir = os.mkdir

    def exchanged(name: bytes, mode: int, *, dir_fd: int) -> None:
        mkdir(name, mode, dir_fd=dir_fd)
        path = home / os.fsdecode(name)
        path.rmdir()
        mkdir(path, 0o777)
        path.chmod(0o777)

    monkeypatch.setattr(os, "mkdir", exchanged)
    with (
        Folder.open(home) as folder,
        pytest.raises(RefusedError, match="exchanged"),
        folder.private(),
    ):
        pass


def test_links_are_not_followed(home: Path, tmp_path: Path):
    (home / "link").symlink_to(tmp_path)
    (home / "file").touch()
    (home / "real" / "deep").mkdir(parents=True)
    with Folder.open(home) as folder:
        for name in (b"link", b"file"):
            with pytest.raises(RefusedError, match="no folder, or a link"):
                folder.enter(name)
        with pytest.raises(LocalIOError, match="cannot be opened"):
            folder.enter(b"none")
        with folder.descend([b"real", b"deep"]) as deep:
            assert deep.shown == f"{home}/real/deep"
        with pytest.raises(RefusedError):
            folder.descend([b"link", b"home"])


def test_nothing_stays_setuid_under_another_owner(home: Path):
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    (home / "d").mkdir(mode=0o2755)
    (home / "d").chmod(0o3755)
    (home / "d" / "x").touch()
    (home / "d" / "x").chmod(0o6711)
    (home / "d" / "link").symlink_to("/etc/passwd")
    with Folder.open(home) as folder:
        folder.give(b"d", 4711, 4712)
    for path, mode in ((home / "d", 0o1755), (home / "d" / "x", 0o711)):
        status = path.stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (4711, 4712, mode)
    assert (home / "d" / "link").lstat().st_uid == 4711
    assert os.stat("/etc/passwd").st_uid == 0  # noqa: PTH116 - a word less


def test_what_a_killed_restore_left_is_removed(home: Path, tmp_path: Path):
    note = tmp_path / "note"
    with Folder.open(home) as folder, folder.private(note) as private:
        told = note.read_bytes()
        (path,) = home.iterdir()
        kept = home / "kept"
        path.rename(kept)
        (kept / "x").touch()
        assert private.look(b"x")
        path.mkdir(mode=0o700)
        (path / "innocent").touch()
        note.write_bytes(told)
        remove_leftover(note)
        assert (path / "innocent").exists()
        assert not note.exists()
        (path / "innocent").unlink()
        path.rmdir()
        kept.rename(path)
        note.write_bytes(told)
        remove_leftover(note)
        assert not path.exists()
    note.write_bytes(b"nonsense")
    remove_leftover(note)
    remove_leftover(note)


@given(name=NAMES, taken=st.sets(st.integers(1, 5)))
def test_a_name_that_gives_way_is_free_and_short(name: bytes, taken: set[int]):
    seen: list[bytes] = []

    def is_taken(candidate: bytes) -> bool:
        seen.append(candidate)
        return len(seen) in taken

    found = conflict_name(name, STAMP, is_taken)
    assert found == seen[-1]
    assert len(set(seen)) == len(seen)
    assert len(found) <= 250
    assert b"/" not in found
    assert f"(before restore {STAMP}".encode() in found


@given(name=st.text(min_size=1, max_size=80).map(lambda text: text.replace("/", "_") + ".odt"))
def test_no_character_is_cut_in_two(name: str):
    try:
        data = name.encode()
    except UnicodeEncodeError:
        return
    conflict_name(data[:255] if len(data) < 255 else data, STAMP, lambda _: False).decode()

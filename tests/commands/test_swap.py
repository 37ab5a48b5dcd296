"""Folders change places together or not at all, and back, from whatever point it came to."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ocsnap.commands.restore import exchange as exchanging
from ocsnap.commands.restore import swap
from ocsnap.commands.restore.swap import Move
from ocsnap.errors import LocalIOError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ("data", "config", "absent")


def _move(folder: Path, name: str, *, stands: bool = True, entries: bool = False) -> Move:
    place = folder / name
    beside = place if entries else folder
    built = beside / ".ocsnap-new-1" / name
    if stands:
        place.mkdir()
        for old in ("content", "only old"):
            (place / old).write_text("old")
        place.chmod(0o711)
        os.utime(place, ns=(5, 5))
    built.mkdir(parents=True)
    for new in ("content", "only new"):
        (built / new).write_text("new")
    built.chmod(0o750)
    os.utime(built, ns=(7, 7))
    kept = beside / ".ocsnap-old-1" / name
    paths = (os.fsencode(path) for path in (built, place, kept))
    return Move(**dict(zip(("built", "place", "kept"), paths, strict=True)), entries=entries)


def _moves(folder: Path) -> list[Move]:
    moves = [
        _move(folder, "data"),
        _move(folder, "config"),
        _move(folder, "absent", stands=False),
        _move(folder, "mounted", entries=True),
    ]
    return [move.ready() for move in moves]


def _file(folder: Path) -> list[Move]:
    """Make the moves of an SQLite file with a journal that must not meet the new one."""
    names = (("db", "new"), ("db-wal", ""))
    moves = []
    for name, built in names:
        (folder / name).write_text("old")
        if built:
            (folder / f".{name}.new").write_text("new")
        moves.append(
            Move(
                built=os.fsencode(folder / f".{name}.new") if built else b"",
                place=os.fsencode(folder / name),
                kept=os.fsencode(folder / f"{name}.before"),
            )
        )
    return [move.ready() for move in reversed(moves)]


def _look(folder: Path) -> dict[str, str]:
    """Describe everything that is no folder of a restore."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if ".ocsnap-" not in name and not name.startswith(".db"):
            status = path.stat()
            content = path.read_text() if path.is_file() else f"{status.st_mtime_ns}"
            if name == "mounted":
                content = ""  # a folder was made in it, and taken away again
            found[name] = f"{status.st_mode:o} {content}"
    return found


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pulls the plug here."""
    monkeypatch.setattr(swap, "sync_folder", lambda _: None)


@pytest.fixture(params=["exchanged", "renamed"])
def how(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let the file system know RENAME_EXCHANGE, or not."""
    if request.param == "renamed":
        monkeypatch.setattr(swap, "exchange", lambda *_: False)
    return str(request.param)


@pytest.fixture
def states(tmp_path: Path) -> tuple[Path, list[Move], dict[str, str], dict[str, str]]:
    """Make moves; return what there is before and what there must be after."""
    folder = tmp_path / "place"
    folder.mkdir()
    moves = _moves(folder)
    before = _look(folder)
    swap.make(moves)
    after = _look(folder)
    swap.undo(moves)
    assert _look(folder) == before
    return folder, moves, before, after


def test_all_change_places_and_the_old_ones_are_closed_to_others(tmp_path: Path, how: str):
    moves = _moves(tmp_path)
    swap.make(moves)
    contents = {path: text for path, text in _look(tmp_path).items() if "/" in path}
    assert {path.rpartition("/")[2] for path in contents} == {"content", "only new"}
    assert all(text.endswith("new") for text in contents.values())
    assert len(swap.kept(moves)) == 3
    assert (tmp_path / ".ocsnap-old-1").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "mounted" / ".ocsnap-old-1").stat().st_mode & 0o777 == 0o700


def test_undone_all_is_as_it_was(
    states: tuple[Path, list[Move], dict[str, str], dict[str, str]], how: str
):
    folder, moves, before, after = states
    swap.make(moves)
    assert _look(folder) == after
    for _ in range(2):
        swap.undo(moves)
        assert _look(folder) == before
        assert swap.kept(moves) == []
    for _ in range(2):
        swap.make(moves)
        assert _look(folder) == after


class Killed(BaseException):
    pass


@pytest.mark.parametrize("way", ["there", "back"])
def test_cut_off_at_any_rename_both_ends_can_be_reached(
    tmp_path: Path, how: str, way: str, monkeypatch: pytest.MonkeyPatch
):
    number = 0
    while True:
        folder = tmp_path / str(number)
        folder.mkdir()
        moves = _moves(folder) + _file(folder)
        before = _look(folder)
        swap.make(moves)
        after = _look(folder)
        act: Callable[[list[Move]], None] = swap.undo
        if way == "there":
            swap.undo(moves)
            act = swap.make
        cut = _cut_off(number, lambda act=act, moves=moves: act(moves), monkeypatch)
        if number % 2:
            swap.make(moves)
            assert _look(folder) == after, number
        swap.undo(moves)
        assert _look(folder) == before, number
        if not cut:
            break
        number += 1
    assert number > 10


def _cut_off(number: int, act: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Do something up to its nth change of names; say whether it came so far."""
    left = number
    rename, change = Path.rename, swap.exchange

    def counted(old: Path, new: Path) -> Path:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1
        return rename(old, new)

    def exchanged(first: Path, second: Path) -> bool:
        nonlocal left
        if left == 0:
            raise Killed
        done = change(first, second)
        left -= done
        return done

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", counted)
        patched.setattr(swap, "exchange", exchanged)
        try:
            act()
        except Killed:
            return True
    return False


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_one_that_fails_says_so_and_the_others_can_be_undone(tmp_path: Path, failing: int):
    moves = _moves(tmp_path)
    before = _look(tmp_path)
    broken = moves[failing].built_path
    broken.rename(tmp_path / ".ocsnap-away")
    with pytest.raises(LocalIOError, match="cannot be replaced"):
        swap.make(moves)
    swap.undo(moves)
    assert _look(tmp_path) == before


def test_what_was_kept_before_is_not_overwritten(tmp_path: Path):
    move = _move(tmp_path, "data").ready()
    move.kept_path.mkdir(parents=True)
    (move.kept_path / "precious").touch()
    with pytest.raises(LocalIOError):
        swap.make([move])
    assert (move.kept_path / "precious").exists()


def test_an_interruption_waits_until_all_is_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    moves = _moves(tmp_path)
    rename = Path.rename

    def interrupted(old: Path, new: Path) -> Path:
        moved = rename(old, new)
        os.kill(os.getpid(), signal.SIGINT)
        return moved

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        swap.make(moves)
    monkeypatch.undo()
    assert all((move.place_path / "only new").exists() for move in moves)


def test_what_was_removed_or_replaced_since_cannot_be_undone(tmp_path: Path):
    moves = _moves(tmp_path)
    swap.make(moves)
    swap.refuse_unless_kept(moves)
    moves[1].place_path.rename(tmp_path / "away")
    moves[1].place_path.mkdir()
    with pytest.raises(RefusedError, match="no longer what the restore"):
        swap.refuse_unless_kept(moves)
    moves[0].kept_path.rename(tmp_path / "taken away")
    with pytest.raises(RefusedError, match="not kept any more"):
        swap.refuse_unless_kept(moves)


def test_lost_and_found_stays_on_its_file_system(tmp_path: Path):
    move = _move(tmp_path, "mounted", entries=True)
    (tmp_path / "mounted" / "lost+found").mkdir()
    swap.make([move.ready()])
    assert (tmp_path / "mounted" / "lost+found").is_dir()
    assert not (move.kept_path / "lost+found").exists()


def test_two_names_change_places_in_one_step(tmp_path: Path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").mkdir()
    if not exchanging.exchange(tmp_path / "a", tmp_path / "b"):
        pytest.skip("this file system cannot")
    assert (tmp_path / "b").read_text() == "a"
    with pytest.raises(FileNotFoundError):
        exchanging.exchange(tmp_path / "a", tmp_path / "absent")

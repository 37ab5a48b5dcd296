"""Folders change places together or not at all."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from ocsnap.commands.restore.swap import Move, Swap
from ocsnap.errors import LocalIOError


def _move(folder: Path, name: str, *, stands: bool = True) -> Move:
    built, place = folder / ".new" / name, folder / name
    built.mkdir(parents=True)
    (built / "content").write_text("new")
    if stands:
        place.mkdir()
        (place / "content").write_text("old")
    return Move(built, place, folder / ".old" / name)


def _contents(moves: list[Move]) -> list[str]:
    return [(move.place / "content").read_text() for move in moves]


def test_all_change_places_and_the_old_ones_are_closed_to_others(tmp_path: Path):
    moves = [_move(tmp_path, "data"), _move(tmp_path, "config"), _move(tmp_path, "n", stands=False)]
    swap = Swap(moves)
    swap.make()
    assert _contents(moves) == ["new"] * 3
    assert swap.kept() == [str(tmp_path / ".old" / "data"), str(tmp_path / ".old" / "config")]
    assert (tmp_path / ".old").stat().st_mode & 0o777 == 0o700


def test_undone_all_is_as_it_was(tmp_path: Path):
    moves = [_move(tmp_path, "data"), _move(tmp_path, "config"), _move(tmp_path, "n", stands=False)]
    swap = Swap(moves)
    swap.make()
    swap.undo()
    assert _contents(moves[:2]) == ["old"] * 2
    assert not moves[2].place.exists()
    assert not (tmp_path / ".old").exists()
    assert swap.kept() == []
    swap.undo()
    assert _contents(moves[:2]) == ["old"] * 2


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_one_that_fails_undoes_those_before_it(tmp_path: Path, failing: int):
    moves = [_move(tmp_path, name) for name in ("a", "b", "c")]
    (moves[failing].built / "content").unlink()
    moves[failing].built.rmdir()
    with pytest.raises(LocalIOError, match="cannot be replaced"):
        Swap(moves).make()
    assert _contents(moves) == ["old"] * 3


def test_what_was_kept_before_is_not_overwritten(tmp_path: Path):
    move = _move(tmp_path, "data")
    move.kept.mkdir(parents=True)
    (move.kept / "precious").touch()
    with pytest.raises(LocalIOError):
        Swap([move]).make()
    assert _contents([move]) == ["old"]
    assert (move.kept / "precious").exists()


def test_an_interruption_waits_until_the_swap_can_be_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Between a rename and the note of it an interruption would leave a place empty."""
    moves = [_move(tmp_path, "data"), _move(tmp_path, "config")]
    swap = Swap(moves)
    rename = Path.rename

    def interrupted(old: Path, new: Path) -> Path:
        moved = rename(old, new)
        os.kill(os.getpid(), signal.SIGINT)
        return moved

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        swap.make()
    monkeypatch.undo()
    swap.undo()
    assert _contents(moves) == ["old"] * 2


def test_what_cannot_be_put_back_is_said_to_be_where_it_is(tmp_path: Path):
    move = _move(tmp_path, "data")
    swap = Swap([move])
    swap.make()
    move.kept.rename(tmp_path / "taken away")
    with pytest.raises(LocalIOError, match="cannot be put back"):
        swap.undo()

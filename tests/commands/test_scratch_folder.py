from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ocsnap.commands.scratch_folder import scratch_folder
from ocsnap.errors import LocalIOError

CHILD = """
import sys, time
from pathlib import Path
from ocsnap.commands.scratch_folder import scratch_folder
with scratch_folder(Path(sys.argv[1]), "x-") as folder:
    (folder / "file").touch()
    print(folder, flush=True)
    time.sleep(60)
"""


def test_it_goes_at_the_end_whatever_happens(tmp_path: Path):
    def fail() -> None:
        with scratch_folder(tmp_path, "x-") as folder:
            (folder / "file").touch()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_that_of_a_killed_process_goes_with_the_next_but_not_that_of_a_live_one(tmp_path: Path):
    (tmp_path / "y-other").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, tmp_path], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        theirs = Path(child.stdout.readline().strip())
        with scratch_folder(tmp_path, "x-"):
            assert (theirs / "file").exists()
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert theirs.exists()
    with scratch_folder(tmp_path, "x-"):
        assert not theirs.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["y-other"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    with (
        pytest.raises(LocalIOError, match="absent"),
        scratch_folder(tmp_path / "absent", "x-"),
    ):
        pass

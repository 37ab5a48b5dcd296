"""A real mount, where the machine has FUSE."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.cli.installation import install
from tests.cli.state import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.installation import Installation


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return install(tmp_path, users=("alice", "bob"), files_per_user=8, large_bytes=5_000_000)


@contextmanager
def mounted(installation: Installation) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """Mount; the test is skipped where the machine cannot."""
    folder = installation.folder / "mnt"
    folder.mkdir()
    with installation.started("mount", folder) as process:
        deadline = time.monotonic() + 60
        while not os.path.ismount(folder):
            if process.poll() is not None:
                pytest.skip(f"no FUSE here: {process.communicate()[1].splitlines()[-1]}")
            assert time.monotonic() < deadline
            time.sleep(0.02)
        try:
            yield folder, process
        finally:
            if os.path.ismount(folder):
                subprocess.run(["umount", "--lazy", folder], check=False)


def test_snapshots_are_folders_until_the_end(installation: Installation):
    installation.json("backup")
    before = files(installation.site.homes["alice"] / "files")
    installation.site.mutate(5)
    installation.json("backup")
    after = files(installation.site.homes["alice"] / "files")
    with mounted(installation) as (folder, process):
        assert sorted(path.name for path in folder.iterdir()) == ["latest", "snapshots"]
        first, last = sorted((folder / "snapshots").iterdir())
        for place, wanted in ((first, before), (last, after), (folder / "latest", after)):
            found = files(place / "alice" / "files")
            parts = [name for name in wanted if name.endswith(".part")]
            assert found.keys() == wanted.keys() - set(parts)
            for name, item in found.items():
                assert item.content == wanted[name].content, name
                assert item.mtime_ns == wanted[name].mtime_ns, name
        assert (folder / "latest" / "_config" / "config.php").is_file()
        with pytest.raises(OSError, match="Read-only"):
            (folder / "latest" / "alice" / "files" / "new").touch()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) in (0, 130)
        assert not os.path.ismount(folder)


def test_a_folder_with_something_in_it_is_refused(installation: Installation):
    installation.json("backup")
    assert installation.run("mount", installation.folder).status == 14
    assert installation.run("mount", installation.folder / "absent").status == 15

"""Files that cannot be stored are named and counted, and the rest is stored."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.installation import Installation, Result, install
from tests.servers.disks import failing_disk

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = (65534, 65534)


@pytest.fixture
def unprivileged(open_folder: Path) -> Installation:
    """An installation of the user nobody, as whom ocsnap runs, too."""
    folder = open_folder / "nobody"
    folder.mkdir()
    installation = install(folder)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, *NOBODY, follow_symlinks=False)
    return installation


def as_nobody(installation: Installation, *arguments: str | Path) -> Result:
    _, *words = installation.command(*arguments)
    os.chown(installation.config, *NOBODY)
    done = subprocess.run(
        [_python(), *words],
        cwd="/",
        env={**installation.environment, "PYTHONPATH": os.pathsep.join(sys.path)},
        user=NOBODY[0],
        group=NOBODY[1],
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@functools.cache
def _python() -> str:
    """Return a Python of this version that nobody can run with our packages: ours or the system's.

    That of a developer often lies in his own home, which is closed to others.
    """
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            done = subprocess.run(
                [python, "-c", "import sys, ocsnap; print(*sys.version_info[:2])"],
                cwd="/",
                env={"PYTHONPATH": os.pathsep.join(sys.path)},
                user=NOBODY[0],
                group=NOBODY[1],
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError:
            continue
        if done.stdout.split() == [str(part) for part in sys.version_info[:2]]:
            return python
    pytest.skip("there is no Python that nobody can run with these packages")


def test_what_may_not_be_read_is_named_and_counted(unprivileged: Installation):
    files = unprivileged.site.homes["alice"] / "files"
    secret, closed = files / "secret.txt", files / "closed"
    secret.write_text("of root")
    secret.chmod(0o600)
    closed.mkdir(mode=0o700)
    (closed / "inside").write_text("of root")
    result = as_nobody(unprivileged, "-q", "backup")
    assert result.status == 3, result
    problems = sorted(line.partition(" PROBLEM ")[2] for line in result.lines)
    assert problems == [f"{closed}: Permission denied", f"{secret}: Permission denied"]
    assert "\nErrors 2\n" in result.out
    assert "\nUnreadableFiles 2\n" in result.out
    listed = as_nobody(unprivileged, "--json", "snapshots").json()["snapshots"]
    assert [item["errors"] for item in listed] == [2]
    assert " 2\n" in as_nobody(unprivileged, "snapshots").out
    # It is told again and again, until it can be read.
    again = as_nobody(unprivileged, "--json", "backup")
    assert (again.status, again.json()["statistics"]["errors"]) == (3, 2)
    secret.chmod(0o644)
    closed.chmod(0o755)
    whole = as_nobody(unprivileged, "--json", "backup")
    assert (whole.status, whole.json()["statistics"]["errors"]) == (0, 0), whole


def test_a_restore_without_root_says_nothing_of_owners(unprivileged: Installation):
    assert as_nobody(unprivileged, "-q", "backup").status == 0
    (unprivileged.site.homes["alice"] / "files" / "large.bin").unlink()
    result = as_nobody(unprivileged, "-q", "restore", "--yes")
    assert result.status == 0, result
    assert (unprivileged.site.homes["alice"] / "files" / "large.bin").is_file()


def test_a_state_dir_that_may_not_be_written(unprivileged: Installation):
    unprivileged.set("backup", state_dir="/var/lib/ocsnap-of-root")
    result = as_nobody(unprivileged, "-q", "backup")
    assert result.status == 15
    assert "state_dir" in result.err


def test_a_file_that_never_stands_still(installation: Installation):
    """It grows whenever it is read: what was read last is stored, and said to be unsteady."""
    path = installation.site.homes["alice"] / "files" / "log.txt"
    path.write_bytes(os.urandom(3_000_000))
    program = (
        "import sys\n"
        f"with open({str(path)!r}, 'ab', buffering=0) as file:\n"
        "    while True: file.write(b'x' * 100)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program]) as writer:
        try:
            result = installation.run("-q", "backup")
        finally:
            writer.kill()
    assert result.status == 3, result
    (problem,) = result.lines
    assert str(path) in problem
    assert "\nErrors 1\n" in result.out
    assert installation.json("verify", "--read-data")["sound"]


def test_a_disk_with_a_bad_place(tmp_path: Path):
    """The file is lost to this snapshot, all others are in it, and the exit status says so."""
    with failing_disk(tmp_path / "failing") as disk:
        installation = install(tmp_path / "host", data_dir=disk.folder / "data")
        bad = installation.site.homes["bob"] / "files" / "film.bin"
        os.sync()
        bad.write_bytes(os.urandom(9_000_000))
        disk.settle()
        for path in installation.site.data_dir.rglob("*"):
            if path.is_file() and path != bad:
                path.read_bytes()
        disk.break_at(bad, 5_000_000)
        result = installation.run("-q", "backup")
        assert result.status == 3, result
        (problem,) = result.lines
        assert str(bad) in problem
        assert "Input/output error" in problem
        assert "\nErrors 1\n" in result.out
        assert b"'maintenance' => true" not in installation.site.config_path.read_bytes()
        assert installation.json("verify", "--read-data")["sound"]
        target = tmp_path / "out"
        assert installation.json("restore", "--data", "--target", target)["failed"] == []
        files = target / "data" / "bob" / "files"
        assert not (files / bad.name).exists()
        assert (files / "large.bin").is_file()


@pytest.mark.parametrize("damage", ["lost", "changed"])
def test_damage_in_the_repository_is_named(installation: Installation, damage: str):
    names = {
        path.relative_to(installation.site.data_dir).as_posix()
        for path in (installation.site.homes["alice"] / "files").rglob("*")
        if path.is_file() and path.suffix != ".part" and path.stat().st_size
    }
    installation.json("backup")
    packs = installation.repository / "packs"
    pack = max(packs.rglob("*.gpg"), key=lambda path: path.stat().st_size)
    if damage == "lost":
        pack.unlink()
    else:
        content = bytearray(pack.read_bytes())
        content[len(content) // 2] ^= 1
        pack.write_bytes(content)
        assert installation.run("verify").status == 0, "sizes tell nothing of a flipped bit"
    result = installation.run("verify", *(["--read-data"] if damage == "changed" else []))
    assert result.status == 10
    assert pack.name in result.out
    target = installation.folder / "out"
    restored = installation.run("--json", "restore", "--data", "--target", target)
    assert restored.status == 10
    failed = set(restored.json()["failed"])
    assert {str(target / "data" / name) for name in names} <= failed
    assert (target / "data" / ".ocdata").is_file()
    # In place they are taken from what stands there. Where that is gone too, the files' own names
    # are told, not those under which they were built.
    assert installation.run("restore", "--data", "--yes").status == 0
    for name in names:
        (installation.site.data_dir / name).unlink()
    placed = installation.run("--json", "restore", "--data", "--yes")
    assert placed.status == 10
    told = set(placed.json()["failed"])
    assert {str(installation.site.data_dir / name) for name in names} <= told

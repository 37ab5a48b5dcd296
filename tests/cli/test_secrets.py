"""No secret where others can see it: in argv, in a child's environment, in output, on the disk."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.installation import install
from tests.servers.ocsnap_settings import PASSPHRASE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.installation import Installation
    from tests.servers.database_server import DatabaseServer
    from tests.servers.s3 import S3Server


@dataclass
class Onlooker:
    """Another process on the machine that looks at /proc all the time.

    Attributes:
        programs: names of the programs that it saw below the one it watches.
        seen: what it saw: argv of all, environment of the children.
    """

    programs: set[str] = field(default_factory=set)
    seen: set[bytes] = field(default_factory=set)

    def look(self, parent: int) -> None:
        self.seen.add(_read(Path(f"/proc/{parent}/cmdline")))
        for child in _children(parent):
            argv = _read(Path(f"/proc/{child}/cmdline"))
            # Between fork and exec a child still is its parent.
            if b"-m\0ocsnap\0" not in argv:
                self.seen |= {argv, _read(Path(f"/proc/{child}/environ"))}
                self.programs.add(Path(argv.split(b"\0")[0].decode()).name)
            self.look(child)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended
        return b""


def _children(pid: int) -> list[int]:
    try:
        tasks = [task.name for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:  # it has ended
        return []
    lists = [_read(Path(f"/proc/{pid}/task/{task}/children")) for task in tasks]
    return [int(child) for children in lists for child in children.split()]


@contextmanager
def watched(pid: int) -> Iterator[Onlooker]:
    onlooker, ended = Onlooker(), threading.Event()

    def look() -> None:
        while not ended.is_set():
            onlooker.look(pid)
            ended.wait(0.001)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield onlooker
    finally:
        ended.set()
        thread.join()


@pytest.fixture
def guarded(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Installation, list[str]]:
    """An installation with every secret there is, and the secrets."""
    if shutil.which("mariadb-install-db") is None:
        pytest.skip("MariaDB is not installed: apt-get install mariadb-server")
    server: DatabaseServer = request.getfixturevalue("mariadb")
    s3: S3Server = request.getfixturevalue("s3")
    login = server.login(server.new_database(), tcp=True)
    installation = install(tmp_path, dbtype="mysql", mysql=login)
    installation.settings["repository"] = s3.settings(s3.new_bucket(), "oc", tmp_path)
    # A name that ownCloud's own variables have, so that it would be passed on to occ.
    installation.set("encryption", passphrase_file=None, passphrase_env="OC_PASSPHRASE")
    (tmp_path / "passphrase").unlink()
    installation.environment |= {
        "OC_PASSPHRASE": PASSPHRASE,
        "AWS_SECRET_ACCESS_KEY": "an-older-key-of-the-admin",
        "MYSQL_PWD": "a-password-of-the-admin",
    }
    secrets = [PASSPHRASE, server.password, s3.secret]
    return installation, [*secrets, "an-older-key-of-the-admin", "a-password-of-the-admin"]


def test_no_secret_is_shown_anywhere(guarded: tuple[Installation, list[str]]):
    installation, secrets = guarded
    output = ""
    programs: set[str] = set()
    runs = (("-v", "backup"), ("-v", "verify", "--read-data"), ("-v", "restore", "--yes"))
    for arguments in runs:
        with installation.started(*arguments) as process, watched(process.pid) as onlooker:
            out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        output += out + err
        programs |= onlooker.programs
        for text in onlooker.seen:
            assert not [secret for secret in secrets if secret.encode() in text]
    assert {"gpg", "php"} <= programs, "or nothing was watched"
    assert not [secret for secret in secrets if secret in output]
    _assert_private(installation.state_dir)
    # The database's password stands in ownCloud's own config.php, and in copies of it: never
    # outside of a run, but for the journal by which a restore can be undone.
    _, database, *_ = secrets
    for path in installation.state_dir.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            shown = [secret for secret in secrets if secret.encode() in data]
            assert set(shown) <= ({database} if path.parent.name == "restores" else set()), path


def _assert_private(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        status = path.lstat()
        assert stat.S_IMODE(status.st_mode) & 0o077 == 0, path


def test_an_error_of_the_database_shows_no_password(guarded: tuple[Installation, list[str]]):
    installation, secrets = guarded
    installation.set("database", user="nobody-of-that-name")
    for arguments in (("-v", "backup"), ("--json", "-v", "backup")):
        result = installation.run(*arguments)
        assert result.status == 6
        assert "Traceback" not in result.err
        assert not [secret for secret in secrets if secret in result.out + result.err]


def test_what_lies_in_the_repository_is_private_and_tells_nothing(installation: Installation):
    installation.json("backup")
    _assert_private(installation.repository)
    told = [b"alice", b"Mixtape", b"oc_filecache", b"passwordsalt", b"files_trashbin"]
    rescue = installation.repository / "rescue"  # the same in every repository, and public
    for path in installation.repository.rglob("*"):
        if path.is_file() and rescue not in path.parents:
            assert not [word for word in told if word in path.read_bytes()], path
            assert not [word for word in told if word in bytes(path)]


def test_a_folder_that_was_made_before_is_closed(installation: Installation):
    installation.state_dir.mkdir(mode=0o755)
    installation.json("backup")
    _assert_private(installation.state_dir)


def test_a_lock_that_is_a_link_is_not_followed(installation: Installation):
    victim = installation.folder / "victim"
    victim.write_text("precious")
    installation.state_dir.mkdir(mode=0o700)
    (installation.state_dir / "lock").symlink_to(victim)
    result = installation.run("-q", "backup")
    assert result.status == 15
    assert victim.read_text() == "precious"


def test_the_folder_that_it_is_called_in_brings_no_code(installation: Installation, tmp_path: Path):
    """An older locale makes ocsnap begin anew; the folder may be anybody's."""
    trap = tmp_path / "trap"
    (trap / "ocsnap").mkdir(parents=True)
    for name in ("typer.py", "msgspec.py", "ocsnap/__init__.py", "ocsnap/__main__.py"):
        (trap / name).write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')")
    program = Path(sys.executable).with_name("ocsnap")
    old = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [program, *installation.command("snapshots")[3:]],
        cwd=trap,
        env={**installation.environment, **old},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 11, done.stderr
    assert not (tmp_path / "sprung").exists()


def test_names_in_output_obey_no_terminal(installation: Installation):
    evil = installation.site.homes["alice"] / "files" / "\x1b]0;owned\x07\x1b[2Jname"
    evil.write_text("x")
    installation.json("backup")
    packs = sorted(
        (path for path in (installation.repository / "packs").rglob("*.gpg")),
        key=lambda path: path.stat().st_size,
    )
    for path in packs:
        path.unlink()
    result = installation.run("verify")
    assert result.status == 10
    assert "\\x1b" in result.out
    assert "\x1b" not in result.out + result.err
    document = installation.run("--json", "verify")
    assert document.json()["sound"] is False

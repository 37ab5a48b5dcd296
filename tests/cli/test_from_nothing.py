"""From nothing to backups that come by themselves, are verified and pruned: the whole way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.terminal import talk

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.installation import Installation


@pytest.fixture
def machine(installation: Installation) -> Path:
    root = installation.folder / "machine"
    (root / "etc" / "cron.d").mkdir(parents=True)
    (installation.folder / "passphrase").unlink()
    return root


def test_by_options_alone(installation: Installation, machine: Path):
    config = installation.folder / "etc" / "config.toml"
    sheet = installation.folder / "sheet.pdf"

    def run(*arguments: str | Path, status: int = 0, stdin: str = "") -> str:
        done = installation.run("-c", config, *arguments, stdin=stdin)
        assert done.status == status, (arguments, done)
        return done.out

    run(
        *("init", "--yes", "--owncloud", installation.site.root, "--sheet", sheet),
        *("--repository", f"file://{installation.folder}/new"),
        *("--state-dir", installation.folder / "notes"),
    )
    assert sheet.read_bytes().startswith(b"%PDF")
    assert "RED    snapshots" in run("doctor", "--root", machine, status=18)
    for seed in range(3):
        run("backup")
        installation.site.mutate(seed)
    assert "Everything is as it was stored." in run("verify", "--read-data")
    run("schedule", "install", "--cron", "--daily", "02:15", "--root", machine)
    run("prune", "--keep-last", "1")
    assert len(run("snapshots").splitlines()) == 1 + 1
    end = (config.parent / "passphrase").read_text().strip()[-9:]
    run("recovery-sheet", "--confirm", stdin=f"{end}\n")
    assert "All that is needed works" in run("doctor", "--root", machine)
    assert run("-q", "backup", "--if-older-than", "26h") == ""


def test_at_a_terminal(installation: Installation, machine: Path):
    config = installation.folder / "etc" / "config.toml"
    passphrase = config.parent / "passphrase"
    said = talk(installation, "init", "--state-dir", installation.folder / "n", config=config)
    said.answers("Where is ownCloud", str(installation.site.root))
    said.answers("The address that users type", "-")
    said.answers("Where to", f"file://{installation.folder}/new")
    said.answers("Which", "")
    said.answers("of the passphrase", lambda: passphrase.read_text().strip()[-9:])
    assert said.ends() == 0, said.shown
    for arguments, told in (
        (("backup",), "Backup Statistics"),
        (("verify",), "Everything is as it was stored."),
        (("schedule", "install", "--cron", "--root", machine), "By cron:"),
        (("status",), "done"),
        (("doctor", "--root", machine), "All that is needed works"),
    ):
        said = talk(installation, *arguments, config=config)
        assert said.ends() == 0, said.shown
        assert told in said.shown
        assert "Traceback" not in said.shown

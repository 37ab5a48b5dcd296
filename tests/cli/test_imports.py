"""What a start imports, counted: each module takes a part of a millisecond, and many take more."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.cli.installation import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.installation import Installation
    from tests.servers.s3 import S3Server

PROGRAM = """
import atexit, pathlib, sys
told = pathlib.Path(sys.argv.pop(1))
atexit.register(lambda: told.write_text("\\n".join(sys.modules)))
from ocsnap.cli.main import main
main()
"""
NEVER = {
    *("apprise", "fpdf", "mfusepy", "rich", "segno", "boto3", "s3transfer"),
    *("multiprocessing.managers", "pydantic", "hypothesis"),
    # Only who restores, or has a restore to bring to an end; and who prunes.
    *("ocsnap.commands.restore.undo", "ocsnap.commands.restore.journal"),
    *("ocsnap.commands.restore.switchover", "ocsnap.commands.prune.prune"),
    *("ocsnap.repository.prune", "ocsnap.repository.repack", "ocsnap.repository.retention"),
}
"""What no backup to S3 or to a folder needs as long as all is well."""

MYSQL = {"pymysql", "cryptography", "ocsnap.database.mysql", "ocsnap.database.mysql.session"}
S3 = {"botocore", "urllib3"}
MOST_OWN = 190
"""So many modules of ocsnap's own; whoever must raise it should know why."""

HELP = {
    *NEVER,
    *MYSQL,
    *S3,
    "sqlite3",
    "gnupg",
    "zstandard",
    "ocsnap.commands.context",
    "ocsnap.storage",
}


def imported(installation: Installation, *arguments: str) -> set[str]:
    """Return the modules that a run has imported."""
    told = installation.folder / "imported"
    words = installation.command(*arguments)[3:]  # without python -m ocsnap
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(told), *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env=installation.environment,
    )
    assert ended.returncode == 0, ended.stderr
    return {*told.read_text().split()}


def test_help_imports_no_use_case(installation: Installation):
    assert imported(installation, "--help") & HELP == set()


def test_a_backup_to_a_folder_imports_only_what_it_needs(installation: Installation):
    first = imported(installation, "backup", "--no-maintenance")
    assert first & {*NEVER, *MYSQL, *S3} == set()
    again = imported(installation, "backup", "--no-maintenance")
    assert again & {*NEVER, *MYSQL, *S3} == set()
    assert "ocsnap.snapshot.archiver" in again
    assert sum(name.startswith("ocsnap") for name in again) <= MOST_OWN


def test_a_backup_to_s3_imports_what_boto3_is_made_of(
    installation: Installation, s3: S3Server, tmp_path: Path
):
    installation.settings["repository"] = s3.settings(s3.new_bucket(), "ocsnap", tmp_path)
    modules = imported(installation, "backup", "--no-maintenance")
    assert modules & {*NEVER, *MYSQL} == set()
    assert modules >= S3

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ocsnap.errors import OwncloudError
from ocsnap.owncloud.command import DEFAULT_ENVIRONMENT, as_owner, child_environment, run

if TYPE_CHECKING:
    from pathlib import Path


def test_children_see_what_owncloud_reads_and_no_secret_of_ours():
    environment = {
        "PATH": "/opt/php/bin",
        "OC_maintenance": "1",
        "OWNCLOUD_DOMAIN": "x",
        "AWS_SECRET_ACCESS_KEY": "s",
        "OCSNAP_PASSPHRASE": "s",
        "PASSPHRASE": "s",
        "MYSQL_HOST": "db",
    }
    seen = child_environment(environment, also=("MYSQL_HOST",))
    assert "s" not in seen.values()
    assert seen == {
        "PATH": "/opt/php/bin",
        "LANG": "C.UTF-8",
        "OC_maintenance": "1",
        "OWNCLOUD_DOMAIN": "x",
        "MYSQL_HOST": "db",
    }


def test_output_and_status_are_kept_apart(tmp_path: Path):
    outcome = run(
        ("sh", "-c", "cat; echo noise >&2; exit 3"),
        what="test",
        cwd=tmp_path,
        environment=DEFAULT_ENVIRONMENT,
        stdin=b"in",
        timeout_seconds=10,
    )
    assert (outcome.status, outcome.stdout, outcome.stderr) == (3, b"in", b"noise\n")


def test_a_program_that_hangs_is_killed_with_its_children(tmp_path: Path):
    began = time.monotonic()
    with pytest.raises(OwncloudError, match=r"the test did not end within 0\.3 seconds"):
        run(
            ("sh", "-c", "sh -c 'sleep 1; touch late'; true"),
            what="the test",
            cwd=tmp_path,
            environment=DEFAULT_ENVIRONMENT,
            timeout_seconds=0.3,
        )
    assert time.monotonic() - began < 1
    time.sleep(1.1)
    assert not (tmp_path / "late").exists()


def test_a_program_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(OwncloudError, match="no-such-program cannot be started"):
        run(
            ("no-such-program",),
            what="test",
            cwd=tmp_path,
            environment=DEFAULT_ENVIRONMENT,
            timeout_seconds=1,
        )


def test_our_own_environment_stays_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    outcome = run(
        (sys.executable, "-c", "import os; print(dict(os.environ))"),
        what="test",
        cwd=tmp_path,
        environment=DEFAULT_ENVIRONMENT,
        timeout_seconds=10,
    )
    assert b"hunter2" not in outcome.stdout


def test_nobody_becomes_oneself():
    assert as_owner(os.geteuid(), os.getegid()) == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_becomes_the_owner_by_name_or_number():
    assert as_owner(33, 33) == ("runuser", "-u", "www-data", "--")
    assert as_owner(54321, 7)[:3] == ("setpriv", "--reuid=54321", "--regid=7")

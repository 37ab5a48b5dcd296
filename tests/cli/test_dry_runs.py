"""With --dry-run every command tells what it would do, does nothing, and was right."""

from __future__ import annotations

import hashlib
import os
import shutil
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from ocsnap.commands.backup.backup import BackupOptions
from ocsnap.commands.backup.forecast import forecast
from ocsnap.commands.verify import VerifyOptions
from ocsnap.commands.verify_estimate import estimate
from ocsnap.owncloud.lease import Lease, read_lease, write_lease
from ocsnap.storage.prices import load_prices
from tests.cli.installation import install
from tests.cli.state import State
from tests.commands.host import make_host

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.installation import Installation

FIGURES = ("source_files", "source_file_bytes", "new_files", "new_file_bytes", "deleted_files")


@pytest.fixture
def cloud(tmp_path: Path) -> Installation:
    return install(tmp_path, files_per_user=8, large_bytes=300_000)


def objects(folder: Path) -> dict[str, str]:
    """Return all files of a folder, each with what tells its content."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in found
    }


def notes(cloud: Installation) -> dict[str, str]:
    """Return ocsnap's own notes, its knowledge of the repository and gpg's folder left aside."""
    found = objects(cloud.state_dir)
    return {name: sign for name, sign in found.items() if name.startswith(("runs/", "lock"))}


def foresee(cloud: Installation) -> dict[str, Any]:
    """Foresee a backup, and see that nothing is touched."""
    config_php = cloud.site.root / "config" / "config.php"
    before = State.of(cloud.site), config_php.stat(), objects(cloud.repository), notes(cloud)
    told = cloud.json("backup", "--dry-run")
    assert told["dry_run"]
    after = State.of(cloud.site), config_php.stat(), objects(cloud.repository), notes(cloud)
    assert after[0] == before[0]
    assert after[1].st_ctime_ns == before[1].st_ctime_ns
    assert after[2:] == before[2:]
    forecast: dict[str, Any] = told["forecast"]
    return forecast


def test_a_backup_does_what_was_foreseen(cloud: Installation):
    first = foresee(cloud)
    assert not cloud.repository.exists()
    assert (first["parent"], first["backups"], first["prices_of"]) == (None, 0, "")
    assert any("no repository" in note for note in first["notes"])
    for round_number in range(3):
        foreseen = foresee(cloud)
        done = cloud.json("backup")
        figures = done["statistics"]
        assert foreseen["parent"] == done["parent"]
        assert {name: foreseen["files"][name] for name in FIGURES} == {
            name: figures[name] for name in FIGURES
        }
        assert foreseen["files"]["changed_files"] >= figures["changed_files"]
        assert foreseen["tables"] == done["tables"]
        assert figures["raw_delta_bytes"] <= foreseen["most_upload_bytes"] + 100_000
        cloud.site.mutate(3 + round_number)
    assert foresee(cloud)["backups"] == 3


def test_a_lost_home_and_a_moved_file_are_told(cloud: Installation):
    assert cloud.run("-q", "backup").status == 0
    files = cloud.site.homes["alice"] / "files"
    (files / "before.bin").write_bytes(os.urandom(400_000))
    assert cloud.run("-q", "backup").status == 0
    (files / "before.bin").rename(files / "after.bin")
    found = foresee(cloud)["files"]
    assert (found["new_files"], found["moved_bytes"]) == (1, 400_000)
    text = cloud.run("-q", "backup", "-n").out
    assert "stood there under another name" in text
    assert "going by the last 2 backups" in text
    # The database still knows of her: a backup would call that an error, and raise an alarm.
    shutil.rmtree(cloud.site.homes["alice"])
    gone = foresee(cloud)
    assert gone["files"]["deleted_files"] > 8
    assert any("home of alice is gone" in note for note in gone["notes"])


def test_a_maintenance_that_was_left_on_is_told_and_left_on(cloud: Installation):
    assert cloud.run("-q", "backup").status == 0
    assert cloud.json("unlock", "--dry-run") == {"dry_run": True, "left_on": None}
    dead = Lease(
        pid=os.getpid(),
        process_start="another boot 12",
        started_at=1.0,
        root=str(cloud.site.root),
        config_path=str(cloud.site.root / "config" / "config.php"),
        copy="",
        spare="",
        uid=0,
        gid=0,
        mode=0o640,
        occ=("false",),
        php="php",
    )
    write_lease(cloud.state_dir, dead)
    assert any("would lift it first" in note for note in foresee(cloud)["notes"])
    told = cloud.run("unlock", "--dry-run")
    assert told.status == 0
    assert "Would lift" in told.out
    assert read_lease(cloud.state_dir) == dead


def test_options_that_make_no_sense_with_it_are_refused(cloud: Installation):
    for arguments in (
        ("backup", "--dry-run", "--detach"),
        ("backup", "--dry-run", "--if-older-than", "20h"),
        ("verify", "--dry-run", "--if-older-than", "20h"),
    ):
        assert cloud.run(*arguments).status == 2


def test_a_check_fetches_what_was_foreseen(cloud: Installation):
    assert cloud.run("-q", "backup").status == 0
    plain = cloud.json("verify", "--dry-run")["estimate"]
    assert (plain["fetch_objects"], plain["fetch_bytes"]) == (0, 0)
    assert "none would be fetched" in cloud.run("-q", "verify", "-n").out
    for arguments in (
        ("--read-data", "--share", "40%"),
        ("--read-data", "--share", "40%"),
        ("--read-data",),
    ):
        foreseen = cloud.json("verify", *arguments, "--dry-run")["estimate"]
        # Asked twice it says the same: nothing is kept of the first time.
        assert cloud.json("verify", *arguments, "--dry-run")["estimate"] == foreseen
        read = cloud.json("verify", *arguments)["report"]
        assert foreseen["fetch_objects"] == read["read_objects"]
        assert foreseen["fetch_bytes"] == read["read_bytes"] > 0
    dump = cloud.json("verify", "--cross-check", "--dry-run")["estimate"]
    assert 0 < dump["fetch_bytes"] < foreseen["fetch_bytes"]
    assert "to fetch" in cloud.run("-q", "verify", "--cross-check", "-n").out


def test_in_a_bucket_it_has_its_price(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "moto takes any")
    prices = load_prices()
    with mock_aws():
        client = boto3.client("s3", region_name="eu-central-1")
        place = {"LocationConstraint": "eu-central-1"}
        client.create_bucket(Bucket="oc-backup", CreateBucketConfiguration=place)
        host = make_host(tmp_path)
        host.settings["repository"] = {"url": "s3://oc-backup/cloud"}
        first = forecast(host.context(), BackupOptions())
        assert "Contents" not in client.list_objects_v2(Bucket="oc-backup")
        assert first.prices_of == prices.title
        assert first.dollars == pytest.approx(first.objects / 1000 * 0.0054)
        assert first.month_dollars == pytest.approx(prices.keeping(first.upload_bytes))
        done = host.backup()
        assert abs(first.objects - done.objects_put) <= 4
        before = client.list_objects_v2(Bucket="oc-backup")["Contents"]
        assert forecast(host.context(), BackupOptions()).backups == 1
        checked = estimate(host.context(), VerifyOptions(read_data=True))
        assert client.list_objects_v2(Bucket="oc-backup")["Contents"] == before
        assert checked.dollars == pytest.approx(
            prices.fetching(checked.fetch_objects, checked.fetch_bytes)
        )


def test_pins_alarms_and_schedules_are_only_told(cloud: Installation, tmp_path: Path):
    cloud.set("guard", least_files=5, least_bytes=10_000, least_rows=10)
    assert cloud.run("-q", "backup").status == 0
    assert "Would pin" in cloud.run("pin", "--dry-run", "latest").out
    assert cloud.json("unpin", "-n", "latest")["changed"] is False
    assert cloud.json("pin", "latest")["changed"]
    assert "Would leave" in cloud.run("unpin", "-n", "latest").out
    assert cloud.json("unpin", "latest")["changed"]
    shutil.rmtree(cloud.site.homes["alice"] / "files")
    assert cloud.run("-q", "backup").status == 17
    assert "Would acknowledge" in cloud.run("acknowledge", "-n", "latest").out
    assert len(cloud.json("acknowledge", "latest")["acknowledged"]) == 1
    machine = tmp_path / "machine"
    (machine / "etc" / "cron.d").mkdir(parents=True)
    root = ("--root", str(machine))
    told = cloud.json("schedule", "install", *root, "--dry-run")
    assert list(told["writes"]) == [str(machine / "etc" / "cron.d" / "ocsnap")]
    assert not list((machine / "etc" / "cron.d").iterdir())
    assert "There is no schedule" in cloud.run("schedule", "remove", *root, "-n").out
    assert cloud.run("schedule", "install", *root).status == 0
    (written,) = (machine / "etc" / "cron.d").iterdir()
    assert told["writes"] == {str(written): written.read_text()}
    assert "Would remove" in cloud.run("schedule", "remove", *root, "-n").out
    assert written.exists()


def test_init_tries_ownclouds_part_and_writes_nothing(cloud: Installation, tmp_path: Path):
    config = tmp_path / "etc" / "config.toml"
    said = ("--owncloud", str(cloud.site.root), "--repository", f"file://{tmp_path}/new")
    told = cloud.run("-c", config, "init", *said, "--dry-run")
    assert told.status == 0, told
    assert f"Would write {config}" in told.out
    assert f'root = "{cloud.site.root}"' in told.out
    assert not config.parent.exists()
    assert not (tmp_path / "new").exists()
    assert cloud.run("-c", config, "init", *said[:2], "--dry-run").status == 14
    (cloud.site.root / "occ").unlink()
    assert cloud.run("-c", config, "init", *said, "-n").status != 0

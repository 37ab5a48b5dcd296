"""What `ocsnap cost` tells agrees with what lies in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from ocsnap.commands.cost import LOCAL, cost
from ocsnap.errors import ConfigError
from ocsnap.storage.prices import load_prices
from ocsnap.units import GIB, KIB
from tests.cli.installation import install
from tests.commands.host import make_host

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = "cloud/"


def test_each_storage_class_has_its_price(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "moto takes any")
    with mock_aws():
        client = boto3.client("s3", region_name="eu-central-1")
        place = {"LocationConstraint": "eu-central-1"}
        client.create_bucket(Bucket="oc-backup", CreateBucketConfiguration=place)
        host = make_host(tmp_path)
        host.settings["repository"] = {"url": "s3://oc-backup/cloud"}
        host.backup()

        found = cost(host.context())
        objects = client.list_objects_v2(Bucket="oc-backup")["Contents"]
        prices = load_prices()
        total_bytes = sum(each["Size"] for each in objects)
        (usual,) = found.classes
        assert (usual.storage_class, usual.objects) == ("STANDARD", len(objects))
        assert usual.stored_bytes == usual.charged_bytes == total_bytes
        assert found.month_dollars == pytest.approx(total_bytes / GIB * 0.0245)
        assert found.prices_of == prices.title
        assert found.restore is not None
        # There is one snapshot, and all that lies there belongs to it.
        assert (found.restore.objects, found.restore.fetch_bytes) == (len(objects), total_bytes)
        assert found.restore.dollars == pytest.approx(prices.fetching(len(objects), total_bytes))
        assert not found.notes

        packs = [each for each in objects if each["Key"].startswith(PREFIX + "packs/")]
        for pack in packs:
            source = {"Bucket": "oc-backup", "Key": pack["Key"]}
            client.copy_object(
                Bucket="oc-backup", Key=pack["Key"], CopySource=source, StorageClass="GLACIER_IR"
            )
        cold = {each.storage_class: each for each in cost(host.context()).classes}
        assert cold["GLACIER_IR"].objects == len(packs)
        assert cold["GLACIER_IR"].charged_bytes == sum(
            max(pack["Size"], 128 * KIB) for pack in packs
        )
        source = {"Bucket": "oc-backup", "Key": packs[0]["Key"]}
        client.copy_object(**source, CopySource=source, StorageClass="DEEP_ARCHIVE")
        unknown = cost(host.context())
        assert unknown.month_dollars is None
        assert any("DEEP_ARCHIVE" in note for note in unknown.notes)
        assert unknown.restore is not None
        assert unknown.restore.dollars is None
        own = tmp_path / "prices.toml"
        host.settings["repository"]["prices_file"] = str(own)
        own.write_text("nothing")
        with pytest.raises(ConfigError, match="prices_file"):
            cost(host.context())
        host.backup()


def test_other_snapshots_are_not_fetched_and_a_disk_costs_nothing(tmp_path: Path):
    cloud = install(tmp_path, files_per_user=3, large_bytes=0)
    cloud.set("scan", trust_etags="never")
    gone = cloud.site.homes["alice"] / "files" / "gone.bin"
    gone.write_bytes(bytes(range(256)) * 4000)
    assert cloud.run("-q", "backup").status == 0
    gone.unlink()
    (gone.parent / "new.txt").write_text("new\n")
    assert cloud.run("-q", "backup").status == 0
    found = cloud.json("cost")
    assert [each["storage_class"] for each in found["classes"]] == [LOCAL]
    assert (found["month_dollars"], found["restore"]["dollars"]) == (0.0, 0.0)
    # All but the older snapshot's own object.
    assert found["restore"]["objects"] == found["classes"][0]["objects"] - 1
    text = cloud.run("cost").out
    assert "nobody sends a bill" in text
    assert LOCAL in text


def test_without_a_repository_there_are_no_figures(tmp_path: Path):
    cloud = install(tmp_path, files_per_user=1, large_bytes=0)
    assert cloud.run("cost").status == 11


def test_a_disk_has_no_prices(tmp_path: Path):
    host = make_host(tmp_path)
    host.backup()
    found = cost(host.context())
    assert found.notes == ()
    assert found.prices_of == ""

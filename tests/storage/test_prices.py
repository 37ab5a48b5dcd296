"""What fetching costs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ocsnap.config.sections import RepositoryConfig
from ocsnap.errors import ConfigError
from ocsnap.storage.prices import has_prices, load_prices
from ocsnap.units import GIB

REGIONS = ("eu-central-1", "eu-west-1", "us-east-1", "us-east-2", "us-west-2")
OWN = """
[region.eu-north-9]
of = "A store of ours"
date = "2026-01-02"
egress_gb = 0.0
free_egress_gb_month = 0

[region.eu-north-9.class.STANDARD]
storage_gb_month = 0.006
write_requests_thousand = 0.0
read_requests_thousand = 0.0
retrieval_gb = 0.0
least_days = 0
least_kib = 0
"""


def bucket(region: str, **also: object) -> RepositoryConfig:
    return RepositoryConfig(url="s3://oc-backup/cloud", region=region, **also)  # type: ignore[arg-type]


@pytest.mark.parametrize("region", REGIONS)
def test_each_list_says_whose_and_of_when(region: str):
    prices = load_prices(bucket(region))
    assert prices.of == f"Amazon S3, {region}"
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", prices.date)
    assert prices.source.startswith("https://aws.amazon.com/")
    assert prices.title == f"{prices.of}, {prices.date}"
    assert set(prices.classes) == {"STANDARD", "STANDARD_IA", "ONEZONE_IA", "GLACIER_IR"}
    kept = [prices.classes[name].storage_gb_month for name in prices.classes]
    assert kept == sorted(kept, reverse=True), "the colder the cheaper"
    assert has_prices(bucket(region))


def test_of_an_unknown_region_or_store_they_are_of_another_and_that_is_told():
    usual = load_prices()
    assert load_prices(bucket("eu-north-9")) == usual
    assert not has_prices(bucket("eu-north-9"))
    assert not has_prices(bucket("eu-central-1", endpoint="https://store.example.org"))


def test_prices_of_ones_own(tmp_path: Path):
    file = tmp_path / "prices.toml"
    file.write_text(OWN)
    for also in ({}, {"endpoint": "https://store.example.org"}):
        config = bucket("eu-north-9", prices_file=file, **also)
        assert has_prices(config)
        assert load_prices(config).keeping(10 * GIB) == pytest.approx(0.06)
    # Those of other regions are still those that come along.
    assert load_prices(bucket("us-east-1", prices_file=file)).of == "Amazon S3, us-east-1"


def test_the_file_that_the_page_shows_is_a_right_one(tmp_path: Path):
    page = Path(__file__).parents[2] / "docs" / "monitoring.md"
    shown = re.search(r"^    \[region\.(.|\n)+?(?=^ *ocsnap|^\S)", page.read_text(), re.MULTILINE)
    assert shown
    (tmp_path / "prices.toml").write_text(re.sub(r"^    ", "", shown[0], flags=re.MULTILINE))
    assert has_prices(bucket("eu-north-1", prices_file=tmp_path / "prices.toml"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "No such file"),
        ("region = ", "is wrong"),
        (OWN.replace("0.006", '"cheap"'), "storage_gb_month"),
        (OWN.replace("STANDARD", "COLD"), "no class STANDARD"),
        (OWN.replace("least_days", "least_day"), "least_day"),
    ],
)
def test_a_wrong_file_is_told_of_and_keeps_nobody_from_restoring(
    tmp_path: Path, text: str | None, told: str
):
    config = bucket("eu-north-9", prices_file=tmp_path / "prices.toml")
    if text is not None:
        (tmp_path / "prices.toml").write_text(text)
    with pytest.raises(ConfigError, match=told) as raised:
        has_prices(config)
    assert "repository.prices_file" in raised.value.message
    assert load_prices(config) == load_prices()


def test_requests_and_bytes_are_added_up():
    prices = load_prices()
    usual = prices.classes["STANDARD"]
    assert prices.fetching(1000, 0) == pytest.approx(usual.read_requests_thousand)
    assert prices.fetching(0, 10 * GIB) == pytest.approx(10 * prices.egress_gb)
    cold = prices.fetching(0, GIB, storage_class="STANDARD_IA")
    assert cold == pytest.approx(prices.egress_gb + prices.classes["STANDARD_IA"].retrieval_gb)
    assert prices.fetching(1, GIB, storage_class="UNKNOWN") == prices.fetching(1, GIB)

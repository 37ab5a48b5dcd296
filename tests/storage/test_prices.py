"""What fetching costs."""

from __future__ import annotations

import re

import pytest

from ocsnap.storage.prices import load_prices
from ocsnap.units import GIB


def test_the_list_says_whose_and_of_when():
    prices = load_prices()
    assert "eu-central-1" in prices.of
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", prices.date)
    assert prices.title == f"{prices.of}, {prices.date}"


def test_requests_and_bytes_are_added_up():
    prices = load_prices()
    usual = prices.classes["STANDARD"]
    assert prices.fetching(1000, 0) == pytest.approx(usual.read_requests_thousand)
    assert prices.fetching(0, 10 * GIB) == pytest.approx(10 * prices.egress_gb)
    cold = prices.fetching(0, GIB, storage_class="STANDARD_IA")
    assert cold == pytest.approx(prices.egress_gb + prices.classes["STANDARD_IA"].retrieval_gb)
    assert prices.fetching(1, GIB, storage_class="UNKNOWN") == prices.fetching(1, GIB)

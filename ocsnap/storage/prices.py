"""What a store asks for keeping and sending bytes; the numbers stand in `prices.toml`."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Final

import msgspec

from ocsnap.units import GIB, KIB

_FILE: Final = "prices.toml"
USUAL_CLASS: Final = "STANDARD"


class ClassPrices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prices of one storage class; US dollars.

    Attributes:
        storage_gb_month: for a GB kept for a month.
        write_requests_thousand: for 1,000 requests that write or list.
        read_requests_thousand: for 1,000 requests that read.
        retrieval_gb: for a GB read.
        least_days: how long each object is charged for at least; days.
        least_kib: what each object is charged for at least; KiB.
    """

    storage_gb_month: float
    write_requests_thousand: float
    read_requests_thousand: float
    retrieval_gb: float
    least_days: int
    least_kib: int


class Prices(msgspec.Struct, frozen=True, kw_only=True, rename={"classes": "class"}):
    """A price list.

    Attributes:
        of: whose, and where.
        date: the day of the list, as YYYY-MM-DD.
        egress_gb: for a GB sent to the internet; US dollars.
        free_egress_gb_month: so many of them are free each month.
        classes: by storage class.
    """

    of: str
    date: str
    egress_gb: float
    free_egress_gb_month: float
    classes: dict[str, ClassPrices]

    @property
    def title(self) -> str:
        """Whose prices they are, and of which day."""
        return f"{self.of}, {self.date}"

    @property
    def free_egress_bytes(self) -> int:
        """So many bytes sent to the internet are free each month."""
        return round(self.free_egress_gb_month * GIB)

    def charged_bytes(self, size_bytes: int, *, storage_class: str = USUAL_CLASS) -> int:
        """Return the size that an object is charged for.

        Args:
            size_bytes: its size.
            storage_class: where it lies; of an unknown one no least size is known.
        """
        prices = self.classes.get(storage_class)
        return max(size_bytes, prices.least_kib * KIB) if prices else size_bytes

    def keeping(self, charged_bytes: int, *, storage_class: str = USUAL_CLASS) -> float | None:
        """Return what it costs to keep objects for a month.

        Args:
            charged_bytes: the sizes that they are charged for.
            storage_class: where they lie.

        Returns:
            US dollars; None for a storage class whose price is not in the list.
        """
        prices = self.classes.get(storage_class)
        return None if prices is None else charged_bytes / GIB * prices.storage_gb_month

    def putting(self, objects: int, *, storage_class: str = USUAL_CLASS) -> float:
        """Return what it costs to send objects: the requests, since traffic to the store is free.

        Args:
            objects: how many.
            storage_class: where they go; an unknown one is taken for the usual one.

        Returns:
            US dollars.
        """
        prices = self.classes.get(storage_class, self.classes[USUAL_CLASS])
        return objects / 1000 * prices.write_requests_thousand

    def fetching(self, objects: int, size_bytes: int, *, storage_class: str = USUAL_CLASS) -> float:
        """Return what it costs to fetch objects over the internet.

        What is free each month is not taken off, since other programs may have used it up.

        Args:
            objects: how many.
            size_bytes: their sizes.
            storage_class: where they lie; an unknown one is taken for the usual one.

        Returns:
            US dollars.
        """
        prices = self.classes.get(storage_class, self.classes[USUAL_CLASS])
        amount_gb = size_bytes / GIB
        requests = objects / 1000 * prices.read_requests_thousand
        return requests + amount_gb * (self.egress_gb + prices.retrieval_gb)


def load_prices() -> Prices:
    """Return the price list that comes with ocsnap."""
    text = resources.files("ocsnap.storage").joinpath(_FILE).read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), Prices)

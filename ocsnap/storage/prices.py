"""What a store asks for keeping and sending bytes; the numbers stand in `prices.toml`."""

from __future__ import annotations

import contextlib
import tomllib
from importlib import resources
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.errors import ConfigError
from ocsnap.units import GIB, KIB

if TYPE_CHECKING:
    from ocsnap.config.sections import RepositoryConfig

_FILE: Final = "prices.toml"
_USUAL_REGION: Final = "eu-central-1"
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


class Prices(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={"classes": "class"},
):
    """The price list of one region.

    Attributes:
        of: whose, and where.
        date: the day of the list, as YYYY-MM-DD.
        source: where it was read.
        egress_gb: for a GB sent to the internet; US dollars.
        free_egress_gb_month: so many of them are free each month.
        classes: by storage class.
    """

    of: str
    date: str
    source: str = ""
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


class _PriceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in a price file: regions by name."""

    region: dict[str, Prices]


def load_prices(config: RepositoryConfig | None = None) -> Prices:
    """Return the price list for a repository.

    Args:
        config: where it is; None: the usual region.

    Returns:
        The prices of its region: of the admin's own file, else of the list that comes with ocsnap.
        Of a region or a store that is in neither, or where that file is wrong or missing, they are
        those of the usual region; `has_prices` tells so. A price is no reason not to restore.
    """
    regions = _built_in()
    if config is None:
        return regions[_USUAL_REGION]
    with contextlib.suppress(ConfigError):
        if own := _own(config).get(config.region):
            return own
    return regions.get(config.region, regions[_USUAL_REGION])


def billing(config: RepositoryConfig) -> Prices | None:
    """Return the price list for a repository; None: it is on a disk, for which nobody sends bills.

    Args:
        config: where it is.
    """
    return load_prices(config) if config.is_s3 else None


def has_prices(config: RepositoryConfig) -> bool:
    """Return whether there are prices of this very store and region, and not only similar ones.

    Args:
        config: the repository.

    Raises:
        ConfigError: the admin's own file is wrong.
    """
    return config.region in _own(config) or (not config.endpoint and config.region in _built_in())


def _built_in() -> dict[str, Prices]:
    text = resources.files("ocsnap.storage").joinpath(_FILE).read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), _PriceFile).region


def _own(config: RepositoryConfig) -> dict[str, Prices]:
    if config.prices_file is None:
        return {}
    where = f"repository.prices_file: {config.prices_file}"
    try:
        tables = tomllib.loads(config.prices_file.read_text("utf-8"))
        found = msgspec.convert(tables, _PriceFile).region
    except OSError as error:
        raise ConfigError(f"{where} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(
            f"{where} is wrong: {error}.", hint="docs/monitoring.md shows how it must look."
        ) from error
    for name, prices in found.items():
        if USUAL_CLASS not in prices.classes:
            raise ConfigError(f"{where} has no class {USUAL_CLASS} in the region {name}.")
    return found

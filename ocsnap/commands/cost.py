"""`ocsnap cost`: what the bucket costs a month, and what getting everything back would cost.

The store is asked for sizes and storage classes of all objects; none is fetched but those listings
of the latest snapshot that this host does not know yet.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from ocsnap.commands.context import connect
from ocsnap.commands.restore.estimate import Estimator
from ocsnap.commands.snapshots import own, readable
from ocsnap.errors import NoSecretKeyError
from ocsnap.repository.blob import BlobKind
from ocsnap.repository.snapshot import FOLDER as SNAPSHOTS
from ocsnap.storage.prices import USUAL_CLASS, has_prices, load_prices

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocsnap.commands.context import Context
    from ocsnap.config.sections import RepositoryConfig
    from ocsnap.repository.repository import Repository
    from ocsnap.storage.prices import Prices
    from ocsnap.storage.storage import ObjectInfo

_PACKS: Final = f"{BlobKind.CONTENT}/"
LOCAL: Final = "LOCAL"
"""Stands for the storage class where the storage sends no bills."""


class ClassCost(msgspec.Struct, frozen=True, kw_only=True):
    """What lies in one storage class.

    Attributes:
        storage_class: its name; LOCAL for a disk of this machine.
        objects: how many.
        stored_bytes: their sizes.
        charged_bytes: what they are charged for: each class has a least size of an object.
        month_dollars: what keeping them costs a month; None where the price list has no such class.
    """

    storage_class: str
    objects: int
    stored_bytes: int
    charged_bytes: int
    month_dollars: float | None


class RestoreCost(msgspec.Struct, frozen=True, kw_only=True):
    """What it takes to get the latest snapshot onto a bare machine, over the internet.

    Attributes:
        snapshot: its id; empty where it could not be read, and all objects were counted.
        objects: objects that are fetched.
        fetch_bytes: their sizes.
        dollars: requests, retrieval and traffic, without the traffic that is free each month; None
            where the price of a storage class is not known.
        free_bytes: so much of the traffic of a month is free, if nothing else has used it up.
    """

    snapshot: str
    objects: int
    fetch_bytes: int
    dollars: float | None
    free_bytes: int


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """All of it.

    Attributes:
        classes: by storage class, the dearest first.
        month_dollars: what keeping everything costs a month; 0.0 for a local repository; None where
            the price of a class is not known.
        restore: a full restore; None where there is nothing to restore yet.
        prices_of: whose prices, and of which day; empty for a local repository.
        notes: what the figures leave out.
    """

    classes: tuple[ClassCost, ...]
    month_dollars: float | None
    restore: RestoreCost | None
    prices_of: str
    notes: tuple[str, ...]


class _Place(NamedTuple):
    storage_class: str
    size_bytes: int


def cost(context: Context) -> Cost:
    """Ask the store what it has, and reckon.

    Args:
        context: the outside world.

    Returns:
        The figures.

    Raises:
        OcsnapError: the repository cannot be read.
    """
    config = context.config.repository
    prices = load_prices(config)
    billed = config.is_s3
    with closing(connect(context, reads_only=True).repository) as repository:
        context.monitor.step("Asking the storage for all objects")
        places = {info.name: _place(info, billed=billed) for info in repository.storage.list()}
        needed, snapshot = _needed(context, repository, places)
    classes = _classes(prices, places.values())
    restore = None
    if needed:
        chosen = [place for name, place in places.items() if name in needed]
        restore = _restore(prices, chosen, snapshot, billed=billed)
    month = _sum(each.month_dollars for each in classes) if billed else 0.0
    return Cost(
        classes=classes,
        month_dollars=month,
        restore=restore,
        prices_of=prices.title if billed else "",
        notes=tuple(_notes(config, classes, restore)) if billed else (),
    )


def _place(info: ObjectInfo, *, billed: bool) -> _Place:
    return _Place((info.storage_class or USUAL_CLASS) if billed else LOCAL, info.size_bytes)


def _classes(prices: Prices, places: Iterable[_Place]) -> tuple[ClassCost, ...]:
    found: dict[str, list[int]] = defaultdict(list)
    for place in places:
        found[place.storage_class].append(place.size_bytes)
    costs = []
    for name, sizes in found.items():
        charged = sum(prices.charged_bytes(each, storage_class=name) for each in sizes)
        costs.append(
            ClassCost(
                storage_class=name,
                objects=len(sizes),
                stored_bytes=sum(sizes),
                charged_bytes=charged,
                month_dollars=0.0 if name == LOCAL else prices.keeping(charged, storage_class=name),
            )
        )
    return tuple(sorted(costs, key=lambda each: -(each.month_dollars or 0.0)))


def _needed(
    context: Context, repository: Repository, places: Iterable[str]
) -> tuple[set[str], str]:
    """Name the objects that a restore of the latest snapshot fetches, and the snapshot."""
    everything = set(places)
    try:
        found = readable(repository, context.monitor)
        if not found:
            return set(), ""
        root = str(context.config.owncloud.root)
        chosen = own(found, root=root, host=context.host)[-1]
        repository.synchronise(context.monitor)
        context.monitor.step("Looking what a restore would fetch")
        packs = Estimator(repository, checksum=False, prices=None).needed_packs(
            chosen.snapshot.roots
        )
    except NoSecretKeyError:
        return everything, ""
    # A bare machine knows nothing: it reads all that tells where things are.
    around = {
        name for name in everything if not name.startswith((_PACKS, SNAPSHOTS)) or name in packs
    }
    return around | {chosen.name}, chosen.id


def _restore(
    prices: Prices, chosen: Iterable[_Place], snapshot: str, *, billed: bool
) -> RestoreCost:
    sizes: dict[str, list[int]] = defaultdict(list)
    for place in chosen:
        sizes[place.storage_class].append(place.size_bytes)
    costs = (
        prices.fetching(len(each), sum(each), storage_class=name)
        if name in prices.classes
        else None
        for name, each in sizes.items()
    )
    return RestoreCost(
        snapshot=snapshot,
        objects=sum(len(each) for each in sizes.values()),
        fetch_bytes=sum(map(sum, sizes.values())),
        dollars=_sum(costs) if billed else 0.0,
        free_bytes=prices.free_egress_bytes if billed else 0,
    )


def _sum(values: Iterable[float | None]) -> float | None:
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def _notes(
    config: RepositoryConfig,
    classes: Iterable[ClassCost],
    restore: RestoreCost | None,
) -> Iterable[str]:
    known = has_prices(config)
    if config.endpoint and not known:
        yield "The store is not Amazon's, but these prices are."
    elif not known:
        yield f"No prices of {config.region} are known here, so these are of another region."
    if not known:
        yield (
            "Write the right ones into a file, as docs/monitoring.md shows, and name it in "
            "repository.prices_file."
        )
    for each in classes:
        if each.month_dollars is None:
            yield f"The price list has no storage class {each.storage_class}."
    if config.object_lock_mode is not None:
        yield "What was removed but is still locked, or kept as an old version, is not counted."
    if restore is not None and not restore.snapshot:
        yield "This machine cannot read the snapshots: a restore is reckoned as if it fetched all."

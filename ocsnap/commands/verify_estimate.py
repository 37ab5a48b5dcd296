"""`ocsnap verify --dry-run`: what a check would fetch, how long it would take and what it costs.

The storage is asked what it has, which is all that a check without contents does. Of the notes in
`backup.state_dir` only what this host knows of the repository is brought up to date.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from ocsnap.commands.context import connect, state_dir
from ocsnap.commands.restore.estimate import (
    RATE_NOTE,
    USUAL_RATE,
    VERIFY_RATE_NOTE,
    Estimator,
    measured_rate,
)
from ocsnap.commands.snapshots import choose, readable
from ocsnap.repository.rotation import Rotation
from ocsnap.repository.snapshot import RootKind
from ocsnap.snapshot.checker import Checker
from ocsnap.storage.prices import load_prices

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ocsnap.commands.context import Context
    from ocsnap.commands.verify import VerifyOptions
    from ocsnap.repository.repository import Repository


class VerifyEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """A check that was not made.

    Attributes:
        objects: objects in the repository.
        stored_bytes: their sizes.
        fetch_objects: how many of them would be fetched.
        fetch_bytes: their sizes.
        seconds: how long that takes at the rate of the last check or restore, or a usual one.
        measured: whether that rate was measured.
        dollars: what fetching costs at the prices of `prices_of`; 0.0 for a local repository.
        prices_of: whose prices, and of which day; empty for a local repository.
    """

    objects: int
    stored_bytes: int
    fetch_objects: int
    fetch_bytes: int
    seconds: float
    measured: bool
    dollars: float
    prices_of: str


def estimate(context: Context, options: VerifyOptions) -> VerifyEstimate:
    """Foresee a check; nothing is fetched but index objects that this host has not seen yet.

    Args:
        context: the outside world.
        options: what would be checked.

    Returns:
        The numbers.

    Raises:
        OcsnapError: the repository cannot be looked at.
    """
    with closing(connect(context, reads_only=True).repository) as repository:
        checker = Checker(repository, monitor=context.monitor)
        checker.compare()
        sizes = checker.readable()
        wanted = _wanted(context, options, repository, sizes)
        fetch_bytes = sum(sizes[name] for name in wanted)
        rate = measured_rate(repository, VERIFY_RATE_NOTE, RATE_NOTE)
    config = context.config.repository
    prices, billed = load_prices(config), config.is_s3
    return VerifyEstimate(
        objects=len(sizes),
        stored_bytes=sum(sizes.values()),
        fetch_objects=len(wanted),
        fetch_bytes=fetch_bytes,
        seconds=fetch_bytes / (rate or USUAL_RATE),
        measured=rate is not None,
        dollars=prices.fetching(len(wanted), fetch_bytes) if billed else 0.0,
        prices_of=prices.title if billed else "",
    )


def _wanted(
    context: Context, options: VerifyOptions, repository: Repository, sizes: Mapping[str, int]
) -> set[str]:
    """Name the objects that would be fetched."""
    wanted: set[str] = set()
    if options.read_data and options.share is None:
        wanted |= sizes.keys()
    elif options.read_data and options.share is not None:
        folder = state_dir(context) / repository.id
        with closing(Rotation(folder, options.share, dry_run=True)) as rotation:
            wanted |= rotation.choose(sizes)
    if options.cross_check:
        found = readable(repository, context.monitor)
        root = str(context.config.owncloud.root)
        chosen = choose(found, options.snapshot, root=root, host=context.host)
        dump = [root for root in chosen.snapshot.roots if root.kind is RootKind.DATABASE]
        estimator = Estimator(repository, checksum=False, prices=None)
        wanted |= estimator.needed_packs(dump) & sizes.keys()
    return wanted

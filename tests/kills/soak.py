"""Kills runs at random times, again and again: `python -m tests.kills.soak --rounds 200`.

Each round changes something, starts a backup or a restore, kills it at a random moment, and then
demands what `aftermath` demands. It ends with a count, or at the first thing that does not hold.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.commands.host import make_host
from tests.kills.aftermath import (
    assert_lifted,
    assert_no_garbage,
    assert_nobody_suffers,
    assert_nothing_is_stored_twice,
    assert_recovers,
    assert_snapshots_are_sound,
    is_frozen,
    lease_exists,
)
from tests.kills.victim import (
    backup,
    killed_after,
    prune_most,
    restore_all,
    shrink,
    small_packs,
    work,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.commands.host import Host

ROUNDS_PER_HOST: Final = 20
"""Then a new ownCloud and an empty repository: looking through all that is there takes longer with
each round, and first backups shall be killed too."""

PRUNES_SHARE: Final = 0.3
"""After so many of the other kills a prune must leave no garbage."""

KINDS: Final = ("first backup", "backup", "backup", "restore", "prune")
SLOWER: Final = 1.05


@dataclass
class Soak:
    """What was done so far.

    Attributes:
        random: decides on everything.
        counts: kills survived, by what was killed and when.
        seconds: how long a run of each kind takes, as far as is known.
    """

    random: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(KINDS, 2.0))

    def rounds(self, number: int) -> None:
        """Go on until so many runs were killed; those that ended before do not count."""
        killed = 0
        while killed < number:
            with tempfile.TemporaryDirectory(prefix="ocsnap-soak-") as folder:
                host = make_host(Path(folder))
                for _ in range(ROUNDS_PER_HOST):
                    killed += self._round(host)
                    sys.stdout.write(f"{killed} of {number}: {dict(self.counts)}\n")
                    sys.stdout.flush()
                    if killed == number:
                        return

    def _round(self, host: Host) -> bool:
        work(host)
        shrink(host)
        kind = self.random.choice(KINDS[1:]) if host.snapshot else KINDS[0]
        if kind == "prune":
            killed = self._kill(host, kind, prune_most)
            assert_nobody_suffers(host)
        elif kind == "restore":
            killed = self._kill(host, "restore", restore_all)
            if not lease_exists(host):
                assert not is_frozen(host)
            restore_all(host)
        else:
            killed = self._kill(host, kind, backup)
            if host.snapshot:
                assert_snapshots_are_sound(host)
        assert_lifted(host)
        assert_recovers(host)
        if kind == "prune" or self.random.random() < PRUNES_SHARE:
            assert_no_garbage(host)
        else:
            assert_nothing_is_stored_twice(host)
        return killed

    def _kill(self, host: Host, kind: str, run: Callable[[Host], object]) -> bool:
        began = time.monotonic()
        killed = killed_after(self.random.uniform(0.0, self.seconds[kind]), host, run)
        where = "in maintenance" if lease_exists(host) else "outside of it"
        self.counts[f"{kind} killed {where}" if killed else f"{kind} ended before"] += 1
        # A run takes longer on a busy machine: the kills shall come everywhere.
        self.seconds[kind] = self.seconds[kind] * SLOWER if killed else time.monotonic() - began
        return killed


def main() -> None:
    """Read the command line and go."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None, help="of the kind and time of each kill")
    options = parser.parse_args()
    seed = random.SystemRandom().getrandbits(32) if options.seed is None else options.seed
    sys.stdout.write(f"seed {seed}\n")
    small_packs()
    began = time.monotonic()
    soak = Soak(random.Random(seed))
    soak.rounds(options.rounds)
    seconds = time.monotonic() - began
    sys.stdout.write(f"{options.rounds} rounds in {seconds:.0f} seconds: {dict(soak.counts)}\n")


if __name__ == "__main__":
    main()

"""Backups, prunes, repairs, deaths and long sleeps of several hosts in any order."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ocsnap.errors import BusyError
from tests.prune.plain_cipher import PlainCipher
from tests.prune.test_beside import Run, running
from tests.prune.test_lock import forge_other_machine
from tests.prune.vault import Vault
from tests.snapshot.likeness import Likeness, differences, portrait

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ocsnap.repository.snapshot import StoredSnapshot

HOSTS = ["one", "two"]
FILES = [f"{number}" for number in range(5)]
CONTENTS = st.integers(0, 6)
"""So few that content that was deleted often comes back."""


class Repository(RuleBasedStateMachine):
    """Each host has a folder, and a backup that may be under way."""

    def __init__(self) -> None:
        super().__init__()
        # In memory, as it is written to all the time.
        place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - only where
        self.place = Path(tempfile.mkdtemp(prefix="ocsnap-test-", dir=place))
        self.vault = Vault(self.place, cipher=PlainCipher())
        self.folders = {}
        self.running: dict[str, tuple[AbstractContextManager[Run], Run]] = {}
        self.committed: dict[str, tuple[StoredSnapshot, dict[bytes, Likeness]]] = {}
        self.seen: dict[str, dict[bytes, Likeness]] = {}
        for host in HOSTS:
            self.folders[host] = self.place / f"folder of {host}"
            self.folders[host].mkdir()

    def teardown(self) -> None:
        for host in [*self.running]:
            self._end(host)
        shutil.rmtree(self.place)

    @rule(host=st.sampled_from(HOSTS), name=st.sampled_from(FILES), content=CONTENTS)
    def change(self, host: str, name: str, content: int) -> None:
        path = self.folders[host] / name
        path.unlink(missing_ok=True)
        if content:
            path.write_bytes(random.Random(content).randbytes(3000))

    @rule(host=st.sampled_from(HOSTS))
    def begin(self, host: str) -> None:
        if host not in self.running:
            manager = running(self.vault, host)
            self.running[host] = manager, manager.__enter__()

    @rule(host=st.sampled_from(HOSTS))
    def archive(self, host: str) -> None:
        if host in self.running:
            self.running[host][1].archive(self.folders[host])
            self.seen[host] = portrait(self.folders[host])

    @rule(host=st.sampled_from(HOSTS))
    def flush(self, host: str) -> None:
        if host in self.running:
            self.running[host][1].repository.flush()

    @rule(host=st.sampled_from(HOSTS))
    def commit(self, host: str) -> None:
        if host not in self.running or host not in self.seen:
            return
        try:
            stored = self.running[host][1].commit()
            self.committed[stored.name] = stored, self.seen[host]
        except BusyError:
            pass
        self._end(host)

    @rule(host=st.sampled_from(HOSTS))
    def die(self, host: str) -> None:
        if host in self.running:
            self.running[host][1].lock.release = lambda: None  # type: ignore[method-assign]
            self._end(host)

    @rule(last=st.integers(1, 2), name=st.sampled_from(["pruner", *HOSTS]), at_once=st.booleans())
    def prune(self, last: int, name: str, *, at_once: bool) -> None:
        if name in self.running:
            return
        forge_other_machine(self.vault)
        try:
            if at_once:
                self.vault.prune_at_once(last=last)
            else:
                self.vault.prune(name, last=last)
        except BusyError:
            return

    @rule(renewed=st.sets(st.sampled_from(HOSTS)), hours=st.integers(1, 30))
    def wait(self, renewed: set[str], hours: int) -> None:
        """Let time pass; some hosts are awake and renew their locks, the others sleep."""
        for _ in range(hours * 3):
            self.vault.clock.sleep(1200)
            for host in renewed & self.running.keys():
                self.running[host][1].lock.renew()

    @precondition(lambda self: self.committed)
    @invariant()
    def whatever_is_there_is_whole(self) -> None:
        there = set(self.vault.names("snapshots/"))
        assert there, "the last one always stays"
        report = self.vault.host("judge").check(read_data=False)
        assert report.sound, report
        for name in self.committed.keys() - there:
            del self.committed[name]
        assert there == self.committed.keys()

    @precondition(lambda self: self.committed)
    @rule()
    def everything_comes_back(self) -> None:
        self.vault.assert_sound()
        for stored, wanted in self.committed.values():
            target = Path(tempfile.mkdtemp(dir=self.place)) / "target"
            assert self.vault.host("judge").restore(stored, target).failed == []
            found = portrait(target)
            assert differences(wanted, found) == []
            shutil.rmtree(target.parent)

    def _end(self, host: str) -> None:
        manager, _ = self.running.pop(host)
        manager.__exit__(None, None, None)
        self.seen.pop(host, None)


TestAnyOrder = Repository.TestCase
TestAnyOrder.settings = settings(
    max_examples=int(os.environ.get("OCSNAP_EXAMPLES", "25")),
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

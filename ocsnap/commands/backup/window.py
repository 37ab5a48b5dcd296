"""The window: what must happen while nobody writes, and nothing else.

Nothing in here waits for the network: full packs go to the spool, and what is not full stays in
memory. How long it takes depends on what changed since the last live pass.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ocsnap.commands.backup.report import WindowReport
from ocsnap.commands.reporting.hooks import HookPoint, attempt, demand
from ocsnap.errors import LocalIOError
from ocsnap.units import MIB, size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ocsnap.commands.backup.file_passes import FilePasses
    from ocsnap.commands.backup.file_system_snapshot import FileSystemSnapshot
    from ocsnap.commands.context import Context
    from ocsnap.commands.site import Site
    from ocsnap.database.database import Dump
    from ocsnap.owncloud.maintenance import Freeze
    from ocsnap.repository.spool import Spool
    from ocsnap.snapshot.archiver import Source

SPOOL_FACTOR: Final = 2
"""The spool must take twice what the last live pass stored: users may work faster meanwhile."""

LEAST_SPOOL_BYTES: Final = 64 * MIB


@dataclass
class Window:
    """One window.

    Attributes:
        context: the outside world.
        site: the ownCloud.
        passes: archives the files.
        spool: takes full packs.
        snapshot: a snapshot of the file system, in place of reading inside the window.
        freezes: whether to put ownCloud into maintenance. Others have seen to it, else: then they
            wait for all of the backup, which reads everything just once and spools nothing.
        freeze: the account of the freeze.
        database_seconds: how long opening the database's snapshot took, and its dump where that
            cannot wait.
        failed_hooks: what is wrong with hooks that ran right after it.
    """

    context: Context
    site: Site
    passes: FilePasses
    spool: Spool
    snapshot: FileSystemSnapshot | None
    freezes: bool
    freeze: Freeze
    database_seconds: float = 0.0
    failed_hooks: tuple[str, ...] = ()

    def check_room(self) -> None:
        """See that nothing is in the way, before anybody is locked out.

        Raises:
            LocalIOError: the spool does not take what may have changed, or a home is not in the
                snapshot of the file system.
        """
        if self.snapshot is not None:
            self.passes.sources(self.snapshot.path)
        if not self.freezes:
            return
        expected = self.site.database.held_bytes()
        if self.snapshot is None:
            expected += max(self.passes.latest_bytes * SPOOL_FACTOR, LEAST_SPOOL_BYTES)
        room = self.spool.room_bytes()
        if room < expected:
            raise LocalIOError(
                f"The spool has room for {size(room)}, and up to {size(expected)} may be needed "
                "while ownCloud is frozen.",
                hint="Make room, set backup.spool_dir to a larger disk, or back up at a quieter "
                "time.",
            )

    def run(self, dump: Callable[[Dump], None]) -> None:
        """Freeze, read, lift; then send what was spooled, and dump what could wait.

        Args:
            dump: stores the dump; called inside the window only where the database has no
                consistent snapshots of its own.

        Raises:
            HookError: a hook stopped it.
            OcsnapError: ownCloud could not be frozen, or something could not be stored.
        """
        writer = self.passes.repository.writer
        with ExitStack() as after:
            if self.snapshot is not None:
                after.enter_context(self.snapshot.removed_afterwards())
            with self._hooks_around(), ExitStack() as inside:
                if self.freezes:
                    self.context.monitor.step("Freezing ownCloud")
                    self.freeze = inside.enter_context(self.site.maintenance.freeze())
                demand(self.context, HookPoint.WHILE_FROZEN)
                if self.freezes:
                    writer.hold(self.spool)
                opened = self._open_database(after, dump)
                sources = self._take_files()
            # Only now, since this waits for the line when more than a few packs are kept. After a
            # failure nothing is sent: what is kept belongs to no snapshot.
            writer.release()
            if self.snapshot is not None:
                self._read_files(sources)
                # The users did not wait for it.
                self.passes.scan_seconds = self.passes.read_seconds = 0.0
            if opened.transactional:
                dump(opened)

    def report(self) -> WindowReport:
        """Return how long users were locked out, and what was done meanwhile."""
        freeze, passes = self.freeze, self.passes
        return WindowReport(
            total_seconds=0.0 if freeze.found_on else freeze.frozen_seconds,
            on_seconds=freeze.on_seconds,
            settle_seconds=freeze.settle_seconds,
            drain_seconds=freeze.drain_seconds,
            work_seconds=freeze.work_seconds,
            database_seconds=self.database_seconds,
            scan_seconds=passes.scan_seconds,
            read_seconds=passes.read_seconds,
            off_seconds=freeze.off_seconds,
            frozen=self.freezes,
            found_on=freeze.found_on,
            open_uploads=freeze.open_uploads,
            open_crons=freeze.open_crons,
        )

    @contextmanager
    def _hooks_around(self) -> Iterator[None]:
        """Run hooks before the freeze and after it: what the first ones stop the last ones start.

        However the block ends, ownCloud is free again before the last ones run.
        """
        try:
            demand(self.context, HookPoint.BEFORE_FREEZE)
            yield
        finally:
            self.failed_hooks = attempt(self.context, HookPoint.AFTER_LIFT)

    def _open_database(self, after: ExitStack, dump: Callable[[Dump], None]) -> Dump:
        began = self.context.clock.monotonic()
        opened = after.enter_context(self.site.database.freeze())
        if not opened.transactional:
            dump(opened)
        self.database_seconds = self.context.clock.monotonic() - began
        return opened

    def _take_files(self) -> list[Source]:
        """Read what changed into the spool, or have the file system keep what is returned."""
        if self.snapshot is None:
            self._read_files(None)
            return []
        # Etags that were read after the window would hide what changed since.
        sources = self.passes.sources(self.snapshot.path)
        self.snapshot.make()
        return sources

    def _read_files(self, sources: list[Source] | None) -> None:
        self.context.monitor.step("Storing the last changes")
        self.passes.once(self.context.monitor, sources=sources)

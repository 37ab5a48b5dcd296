"""The window: what must happen while nobody writes, and nothing else.

Nothing in here waits for the network: full packs go to the spool, and what is not full stays in
memory. How long it takes depends on what changed since the last live pass.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ocsnap.errors import LocalIOError
from ocsnap.units import MIB, size

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocsnap.commands.context import Context
    from ocsnap.commands.file_passes import FilePasses
    from ocsnap.commands.file_system_snapshot import FileSystemSnapshot
    from ocsnap.commands.site import Site
    from ocsnap.database.database import Dump
    from ocsnap.owncloud.maintenance import Freeze
    from ocsnap.repository.spool import Spool

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
        freezes: whether to put ownCloud into maintenance, or others have seen to it.
        freeze: the account of the freeze.
        database_seconds: how long opening the database's snapshot took.
    """

    context: Context
    site: Site
    passes: FilePasses
    spool: Spool
    snapshot: FileSystemSnapshot | None
    freezes: bool
    freeze: Freeze
    database_seconds: float = 0.0

    def check_room(self) -> None:
        """See that the spool takes what may have changed, before anybody is locked out.

        Raises:
            LocalIOError: it does not.
        """
        expected = max(self.passes.latest_bytes * SPOOL_FACTOR, LEAST_SPOOL_BYTES)
        room = self.spool.room_bytes()
        if self.snapshot is None and room < expected:
            raise LocalIOError(
                f"The spool has room for {size(room)}, and up to {size(expected)} may be needed "
                "while ownCloud is frozen.",
                hint="Make room, set backup.spool_dir to a larger disk, or back up at a quieter "
                "time.",
            )

    def run(self, dump: Callable[[Dump], None]) -> None:
        """Freeze, read, lift; then dump what could wait.

        Args:
            dump: stores the dump; called inside the window only where the database has no
                consistent snapshots of its own.

        Raises:
            OcsnapError: ownCloud could not be frozen, or something could not be stored.
        """
        with ExitStack() as after:
            if self.snapshot is not None:
                after.enter_context(self.snapshot.removed_afterwards())
            with ExitStack() as inside:
                self.context.monitor.step("Freezing ownCloud")
                if self.freezes:
                    self.freeze = inside.enter_context(self.site.maintenance.freeze())
                opened = self._open_database(after)
                waits = opened.transactional
                if not waits:
                    dump(opened)
                self._take_files()
            if self.snapshot is not None:
                self._read_files()
            if waits:
                dump(opened)

    def _open_database(self, after: ExitStack) -> Dump:
        began = self.context.clock.monotonic()
        opened = after.enter_context(self.site.database.freeze())
        self.database_seconds = self.context.clock.monotonic() - began
        return opened

    def _take_files(self) -> None:
        """Read what changed into the spool, or have the file system keep it."""
        if self.snapshot is not None:
            self.snapshot.make()
            return
        self.passes.repository.writer.hold(self.spool)
        try:
            self._read_files()
        finally:
            self.passes.repository.writer.release()

    def _read_files(self) -> None:
        self.context.monitor.step("Storing the last changes")
        read_at = self.snapshot.path if self.snapshot is not None else None
        self.passes.once(self.context.monitor, read_at=read_at)

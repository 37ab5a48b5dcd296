"""From the old site to the new one and back: frozen, exchanged, closed; journalled at each step."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ocsnap.commands.restore import journal as journals
from ocsnap.commands.restore import swap
from ocsnap.commands.restore.closing import Closing, at, close
from ocsnap.commands.restore.dump_folder import DumpFolder
from ocsnap.commands.restore.folders import remove
from ocsnap.commands.restore.journal import Journal, Phase
from ocsnap.commands.restore.site_config import put, standing
from ocsnap.commands.site import first_line, open_site
from ocsnap.errors import MaintenanceLeftOnError, OwncloudError
from ocsnap.owncloud.command import child_environment
from ocsnap.owncloud.config_php import read_config_php
from ocsnap.owncloud.lift import forget_lease, lift

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocsnap.commands.context import Context
    from ocsnap.database.settings import DatabaseSettings
    from ocsnap.owncloud.maintenance import Freeze


@dataclass
class Switchover:
    """One journalled change of an ownCloud.

    Attributes:
        context: the outside world, with the ownCloud that is changed.
        state_dir: ocsnap's folder.
        journal: what has been done so far.
    """

    context: Context
    state_dir: Path
    journal: Journal

    @classmethod
    def of(cls, context: Context, state_dir: Path, journal: Journal) -> Switchover:
        """Take up a journal, whichever ownCloud the configuration names."""
        return cls(at(context, Path(journal.root)), state_dir, journal)

    def note(self, **changes: object) -> None:
        """Write down how far it has come."""
        self.journal = msgspec.structs.replace(self.journal, **changes)
        journals.write(self.state_dir, self.journal)

    # -- forwards ----------------------------------------------------------------------------

    def run(self, carry_over: Callable[[], None] = lambda: None) -> Closing:
        """Exchange everything that was built, and close.

        Args:
            carry_over: done when nobody writes any more and nothing is exchanged yet.

        Returns:
            How it ended.

        Raises:
            OcsnapError: before anything was exchanged, or it was put back: all is as it was.
            MaintenanceLeftOnError: the new one stands, and could not be opened.
        """
        before = standing(self._config_path)
        with ExitStack() as stack:
            freeze = self._freeze(stack)
            found_on = freeze is not None and freeze.found_on
            carry_over()
            # What the disk has not got yet would be lost in a power cut, under its final name.
            os.sync()
            ready = [move.ready() for move in self.journal.moves]
            frozen = freeze is not None and not found_on
            self.note(
                phase=Phase.SWITCHING,
                moves=ready,
                before=before,
                found_on=found_on,
                frozen=frozen,
            )
            self._exchange_or_take_back(freeze)
            self.note(phase=Phase.CLOSING)
            closing = close(self.context, self.state_dir, self.journal)
            self._let_go(freeze, closing)
        self.finish()
        return closing

    def resume(self) -> Closing:
        """Go on where a restore died in the exchange or after it."""
        journal = self.journal
        if journal.phase is Phase.SWITCHING:
            self._load_back()
            self._exchange()
            self.note(phase=Phase.CLOSING)
        closing = close(self.context, self.state_dir, self.journal)
        if closing.is_open and not journal.brings_config:
            self._lift()
        self.finish()
        return closing

    def finish(self) -> None:
        """Note that the new one is in use, and remove what only the exchange needed."""
        database = self.journal.database
        if database is not None:
            # What stands there knows the password; nothing else shall, for as long as it is kept.
            settings = replace(database.settings, password="")
            database = msgspec.structs.replace(database, settings=settings)
        self.note(phase=Phase.DONE, dump=b"", opened=[], database=database)
        self.sweep()

    def sweep(self) -> None:
        """Remove what only the exchange needed, also after a restore that died before it did."""
        if self.journal.phase is Phase.DONE and self.journal.folders:
            self._remove_folders()
            self.note(folders=[])

    def _exchange_or_take_back(self, freeze: Freeze | None) -> None:
        _hold_on(freeze, on=True)
        try:
            self._exchange()
        except BaseException:
            self.take_back()
            _hold_on(freeze, on=False)
            raise

    def _let_go(self, freeze: Freeze | None, closing: Closing) -> None:
        """Let what froze ownCloud open it again, where its config.php is still the same."""
        if closing.is_open and not self.journal.brings_config:
            _hold_on(freeze, on=False)

    def _exchange(self) -> None:
        self.context.monitor.step("Putting everything in place")
        database = self.journal.database
        if database is not None:
            from ocsnap.database.mysql.load import put_in_place  # noqa: PLC0415 - PyMySQL only here

            dump = DumpFolder(Path(os.fsdecode(self.journal.dump)))
            put_in_place(database.settings, database.place, dump, self.context.monitor)
        swap.make(self.journal.moves)

    # -- backwards ---------------------------------------------------------------------------

    def abandon(self) -> None:
        """Remove all that was built; nothing has been exchanged."""
        database = self.journal.database
        if database is not None and database.loading:
            from ocsnap.database.mysql.place import remove_loaded  # noqa: PLC0415 - the same

            remove_loaded(database.settings, database.place, self.context.monitor)
        self._remove_folders()
        journals.remove(self.state_dir, self.journal)

    def take_back(self) -> None:
        """Exchange back whatever has been exchanged; maintenance stays as it is.

        Raises:
            OcsnapError: something cannot be put back; it can be tried again.
        """
        swap.undo(self.journal.moves)
        self._load_back()
        self.note(phase=Phase.BUILDING)

    def undo_unfinished(self) -> None:
        """Put everything back after a restore that died, and lift maintenance."""
        if self.journal.phase is not Phase.BUILDING:
            self.take_back()
        self._lift()
        if self.journal.frozen:
            put(self.journal.before, {}, owners=self.context.superuser)
        self.abandon()

    def undo(self) -> Closing:
        """Put back what a finished restore has replaced; what was restored is kept."""
        # One that was cut off has left all in maintenance, and nothing may open it before the end.
        begun = self.journal.phase is Phase.UNDOING
        if not begun:
            self.sweep()
            self._prepare_undo()
        with ExitStack() as stack:
            freeze = None if begun else self._freeze(stack)
            self.note(phase=Phase.UNDOING)
            _hold_on(freeze, on=True)
            swap.undo(self.journal.moves)
            self._load_back()
            closing = self._close_undone()
            self._let_go(freeze, closing)
        if begun and closing.is_open and not self.journal.brings_config:
            self._lift()
        self.note(phase=Phase.UNDONE)
        return closing

    def _prepare_undo(self) -> None:
        """What was restored gets a name of its own: users may have worked with it."""
        swap.refuse_unless_kept(self.journal.moves)
        database = self.journal.database
        if database is not None and database.place.kept is not None:
            from ocsnap.database.mysql.names import beside  # noqa: PLC0415 - the same

            digits = "".join(filter(str.isdigit, self.journal.stamp))[:17]
            loaded = beside(database.place.target, "undone", digits)
            place = replace(database.place, loaded=loaded)
            settings = with_password(self.context, database.settings)
            database = msgspec.structs.replace(database, settings=settings, place=place)
        self.note(database=database)

    def _close_undone(self) -> Closing:
        journal = self.journal
        # What stood there before may have been in no state to answer; then it is as it was.
        opened = journal.before if journal.frozen else []
        was = msgspec.structs.replace(journal, opened=opened)
        if journal.brings_config and not opened:
            forget_lease(self.state_dir)
            return Closing(is_open=not journal.found_on, found_on=journal.found_on)
        closing = close(self.context, self.state_dir, was)
        closing.steps = [step for step in closing.steps if "--undo" not in step]
        return closing

    def _load_back(self) -> None:
        database = self.journal.database
        if database is not None:
            from ocsnap.database.mysql.put_back import put_back  # noqa: PLC0415 - as above

            put_back(database.settings, database.place, database.programs)

    # -- maintenance -------------------------------------------------------------------------

    @property
    def _config_path(self) -> Path:
        return self.context.config.owncloud.root / "config" / "config.php"

    def _freeze(self, stack: ExitStack) -> Freeze | None:
        """Freeze what stands there; a site that is broken cannot be frozen, and need not be."""
        try:
            site = open_site(self.context, self.state_dir, demand_data=False)
            if site.settings.kind == "sqlite3" and not Path(site.settings.name).is_file():
                # occ would make an empty one.
                raise OwncloudError(f"{site.settings.name}: there is no such database file.")
            # No guardian: it would open a cloud that is exchanged by half.
            return stack.enter_context(site.maintenance.freeze(guarded=False))
        except OwncloudError as error:
            if not self.journal.brings_config:
                self.context.monitor.note(
                    f"ownCloud was not put into maintenance: {error.message} "
                    "Stop the web server if it runs."
                )
        except MaintenanceLeftOnError:
            # An ocsnap that died left it so, and only a config.php that is whole can help.
            if not self.journal.brings_config:
                raise
        return None

    def _lift(self) -> None:
        environment = child_environment(self.context.environment)
        lift(
            self.state_dir,
            clock=self.context.clock,
            monitor=self.context.monitor,
            environment=environment,
            unguarded_too=True,
        )

    def _remove_folders(self) -> None:
        remove(Path(os.fsdecode(folder)) for folder in self.journal.folders)


def with_password(context: Context, settings: DatabaseSettings) -> DatabaseSettings:
    """Return how to log in, with the password that what stands there now says.

    Args:
        context: the outside world, with the ownCloud that was restored.
        settings: how to log in, without a password once the restore is done.

    Raises:
        OwncloudError: config.php cannot be read.
        ConfigError: `database.password_file` cannot be read.
    """
    if settings.password:
        return settings
    configured, owncloud = context.config.database, context.config.owncloud
    if configured.password_file is not None and configured.user in {None, settings.user}:
        password = first_line(configured.password_file, "database.password_file")
    else:
        password = str(read_config_php(owncloud.root, php=owncloud.php).get("dbpassword") or "")
    return replace(settings, password=password)


def _hold_on(freeze: Freeze | None, *, on: bool) -> None:
    if freeze is not None:
        freeze.keep_on = on

"""Bringing a user's rows back: a rehearsal that only tells, then the same for good."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ocsnap.commands.browse.stored_dump import StoredDump
from ocsnap.commands.restore_user.report import RowAction
from ocsnap.database.open import open_rows, open_transaction
from ocsnap.owncloud.user_rows import account
from ocsnap.owncloud.user_rows.target import RowAct, Target
from ocsnap.owncloud.user_rows.topics import Topic, left_alone, tables_of
from ocsnap.owncloud.user_rows.user_rows import UserRows
from ocsnap.snapshot.file_reader import FileReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ocsnap.commands.browse.look import Look
    from ocsnap.commands.site import Site
    from ocsnap.database.rows import DumpRows
    from ocsnap.repository.snapshot import Snapshot


@dataclass(frozen=True)
class RowRestore:
    """The rows of one user.

    Attributes:
        look: the open repository.
        site: the ownCloud.
        snapshot: what is restored.
        dumped: the tables of its dump.
        user: the user's id.
        homes: the path of the home in the snapshot, and today.
        topics: what is brought back.
        was_deleted: whether ownCloud did not know the user when all began.
        will_exist: whether a path in the home will be there when all is done.
    """

    look: Look
    site: Site
    snapshot: Snapshot
    dumped: DumpRows
    user: str
    homes: tuple[str, str]
    topics: frozenset[Topic]
    was_deleted: bool
    will_exist: Callable[[str], bool]

    def rehearse(self) -> list[RowAction]:
        """Tell what is done with each row, as far as can be known before the files are there."""
        with self._opened(rehearsal=True) as rows:
            rows.bring_account()
            rows.bring_rest()
        return _told(rows.target.acts)

    def bring_account(self) -> list[RowAction]:
        """Bring back the account of a user who was deleted, in a transaction of its own.

        ownCloud scans no files of users whom it does not know.
        """
        with self._opened(rehearsal=False) as rows:
            rows.bring_account()
        return _told(rows.target.acts)

    def bring_rest(self) -> list[RowAction]:
        """Bring back everything else, in one transaction; ownCloud has taken in the files by then.

        Raises:
            DatabaseError: nothing was brought back.
        """
        with self._opened(rehearsal=False) as rows:
            rows.bring_rest()
        return _told(rows.target.acts)

    def is_in_dump(self) -> bool:
        """Return whether the dump has an account of the user; those of LDAP have one, too."""
        with self._opened(rehearsal=True) as rows:
            return account.was_known(rows.target, self.user)

    def notes(self) -> list[str]:
        """Tell what is not brought back, and why."""
        return left_alone(self.dumped.tables, self.site.instance.table_prefix)

    @contextmanager
    def _opened(self, *, rehearsal: bool) -> Iterator[UserRows]:
        prefix = self.site.instance.table_prefix
        tables = [] if rehearsal else tables_of(self.topics, prefix)
        now = datetime.fromtimestamp(self.look.context.clock.now(), UTC)
        with open_transaction(self.site.settings, tables=tables) as live:
            target = Target(live, self.dumped, prefix=prefix, rehearsal=rehearsal)
            yield UserRows(
                target=target,
                user=self.user,
                homes=self.homes,
                topics=self.topics,
                was_deleted=self.was_deleted,
                will_exist=self.will_exist,
                today=f"{now:%Y-%m-%d %H:%M:%S}",
            )


@contextmanager
def dumped_rows(look: Look, snapshot: Snapshot, folder: Path) -> Iterator[DumpRows]:
    """Open the tables of a snapshot's dump.

    Args:
        look: the open repository.
        snapshot: whose dump is meant.
        folder: `backup.state_dir`, for the copy of an SQLite file.

    Raises:
        DamagedError: the snapshot has no dump.
        DatabaseError: the dump is not whole.
    """
    files = FileReader.of(look.repository, scratch_dir=folder)
    stored = StoredDump(files, look.listings, snapshot)
    with open_rows(stored, scratch_dir=folder) as rows:
        yield rows


def _told(acts: list[RowAct]) -> list[RowAction]:
    return [
        RowAction(act=act.act.value, table=act.table, row=act.row, reason=act.reason)
        for act in acts
    ]

"""All rows of one user, topic by topic, in the order in which they need each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocsnap.owncloud.user_rows import account
from ocsnap.owncloud.user_rows.file_ids import FileIds
from ocsnap.owncloud.user_rows.groupware import Groupware
from ocsnap.owncloud.user_rows.marks import Marks
from ocsnap.owncloud.user_rows.shares import Shares
from ocsnap.owncloud.user_rows.topics import Topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocsnap.owncloud.user_rows.target import Target


@dataclass(frozen=True)
class UserRows:
    """What is brought back of whom.

    Attributes:
        target: both databases.
        user: the user's id.
        homes: the path of the home in the dump, and today.
        topics: what is brought back.
        was_deleted: whether ownCloud did not know the user any more when all began.
        will_exist: whether a path in the home will be there when all is done.
        today: the present time as `YYYY-MM-DD hh:mm:ss`, UTC.
    """

    target: Target
    user: str
    homes: tuple[str, str]
    topics: frozenset[Topic]
    was_deleted: bool
    will_exist: Callable[[str], bool]
    today: str

    def bring_account(self) -> None:
        """Bring back what ownCloud must know before it can look at files of the user at all.

        Also what others had shared with the user: when this is done again, nothing tells any more
        that the user was deleted.
        """
        if not self.was_deleted:
            return
        account.bring_account(self.target, self.user, self.homes[1])
        if Topic.SHARES in self.topics:
            shares = Shares(self.target, self.user, incoming=True, today=self.today)
            files = self._files()
            files.learn(shares.files())
            shares.bring(files)

    def bring_rest(self) -> None:
        """Bring back everything else; ownCloud has taken in the files by then."""
        target, topics = self.target, self.topics
        if Topic.PREFERENCES in topics:
            account.bring_preferences(target, self.user)
        self._bring_what_hangs_on_files()
        if Topic.TRASH in topics:
            Marks(target, self.user).bring_trash(self.will_exist)
        groupware = Groupware(target, self.user)
        if Topic.CALENDARS in topics:
            groupware.bring_calendars()
        if Topic.CONTACTS in topics:
            groupware.bring_contacts()

    def _bring_what_hangs_on_files(self) -> None:
        target = self.target
        marks = Marks(target, self.user)
        shares = Shares(target, self.user, incoming=False, today=self.today)
        steps = {
            Topic.SHARES: (shares.files, shares.bring),
            Topic.COMMENTS: (marks.comment_files, marks.bring_comments),
            Topic.TAGS: (marks.tag_files, marks.bring_tags),
            Topic.FAVOURITES: (marks.favourite_files, marks.bring_favourites),
            Topic.PROPERTIES: (marks.property_files, marks.bring_properties),
        }
        chosen = [step for topic, step in steps.items() if topic in self.topics]
        files = self._files()
        files.learn({number for numbers, _ in chosen for number in numbers()})
        for _, bring in chosen:
            bring(files)

    def _files(self) -> FileIds:
        return FileIds(self.target, user=self.user, homes=self.homes, will_exist=self.will_exist)

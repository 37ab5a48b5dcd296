"""Calendars and address books, with what is in them and with whom they are shared.

What is added gets an entry in the list of changes, from which clients learn of it: ownCloud 10,
apps/dav/lib/CalDAV/CalDavBackend.php and CardDAV/CardDavBackend.php, addChange().
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ocsnap.owncloud.user_rows.target import Act, number_of, text_of

if TYPE_CHECKING:
    from ocsnap.owncloud.user_rows.target import Row, Target

_USERS: Final = "principals/users/"
_GROUPS: Final = "principals/groups/"
_ADDED: Final = 1


@dataclass(frozen=True)
class Collection:
    """Names of the tables of calendars, or of address books.

    Attributes:
        table: the collections.
        item_table: what is in them.
        reference: the column that refers to the collection.
        changes: the list of changes.
        share_type: what `dav_shares` calls them.
        what: what an item is, for people.
    """

    table: str
    item_table: str
    reference: str
    changes: str
    share_type: str
    what: str


CALENDARS: Final = Collection(
    "calendars", "calendarobjects", "calendarid", "calendarchanges", "calendar", "event"
)
ADDRESS_BOOKS: Final = Collection(
    "addressbooks", "cards", "addressbookid", "addressbookchanges", "addressbook", "contact"
)


class Groupware:
    """The collections of one user."""

    def __init__(self, target: Target, user: str) -> None:
        """Prepare.

        Args:
            target: both databases.
            user: the user's id.
        """
        self._target = target
        self._principal = f"{_USERS}{user}"

    def bring_calendars(self) -> None:
        """Bring back calendars, events, subscriptions and with whom calendars are shared."""
        self._bring(CALENDARS)
        for row in self._target.rows("calendarsubscriptions"):
            if text_of(row["principaluri"]) == self._principal:
                key = ["principaluri", "uri"]
                told = f"subscription {text_of(row['uri'])}"
                self._target.bring("calendarsubscriptions", row, key, told=told, number="id")

    def bring_contacts(self) -> None:
        """Bring back address books, contacts and with whom address books are shared."""
        cards = self._bring(ADDRESS_BOOKS)
        for row in self._target.rows("cards_properties", "cardid", cards.keys()):
            # They only serve to search for what stands in the card itself.
            number, book = cards[number_of(row["cardid"])]
            fitting = {k: v for k, v in row.items() if k != "id"}
            self._target.add(
                "cards_properties", {**fitting, "cardid": number, "addressbookid": book}
            )

    def _bring(self, kind: Collection) -> dict[int, tuple[int, int]]:
        """Bring back collections and items.

        Returns:
            By its number in the dump each item that was inserted: its number, and the collection's.
        """
        names: dict[int, str] = {}
        numbers: dict[int, int] = {}
        for row in self._target.rows(kind.table):
            if text_of(row["principaluri"]) != self._principal:
                continue
            old = number_of(row["id"])
            names[old] = text_of(row["uri"])
            told = f"{kind.share_type} {names[old]}"
            key = ["principaluri", "uri"]
            numbers[old] = self._target.bring(kind.table, row, key, told=told, number="id")
        inserted: dict[int, tuple[int, int]] = {}
        for row in self._target.rows(kind.item_table, kind.reference, numbers.keys()):
            old = number_of(row[kind.reference])
            row[kind.reference] = numbers[old]
            told = f"{kind.what} {text_of(row['uri'])} in {names[old]}"
            known_by = {name: row[name] for name in (kind.reference, "uri")}
            if self._target.find(kind.item_table, known_by) is not None:
                self._target.tell(Act.PRESENT, kind.item_table, told)
                continue
            number = self._target.insert(kind.item_table, row, told=told, number="id")
            inserted[number_of(row["id"])] = (number, numbers[old])
            self._announce(kind, numbers[old], row)
        self._bring_shares(kind, numbers, names)
        return inserted

    def _announce(self, kind: Collection, number: int, row: Row) -> None:
        key: Row = {"id": number}
        state = number_of(self._target.find(kind.table, key, "synctoken"))
        change: Row = {"uri": row["uri"], "synctoken": state, kind.reference: number}
        self._target.add(kind.changes, {**change, "operation": _ADDED})
        self._target.change(kind.table, key, {"synctoken": state + 1})

    def _bring_shares(
        self, kind: Collection, numbers: dict[int, int], names: dict[int, str]
    ) -> None:
        for row in self._target.rows("dav_shares"):
            old = number_of(row["resourceid"])
            if text_of(row["type"]) != kind.share_type or old not in numbers:
                continue
            principal = text_of(row["principaluri"])
            told = f"{kind.share_type} {names[old]} with {principal}"
            if not self._is_there(principal):
                self._target.skip("dav_shares", told, f"there is no {principal}")
                continue
            row["resourceid"] = numbers[old]
            key = ["principaluri", "resourceid", "type"]
            self._target.bring("dav_shares", row, key, told=told, number="id")

    def _is_there(self, principal: str) -> bool:
        if principal.startswith(_USERS):
            name = principal.removeprefix(_USERS)
            if self._target.columns("accounts"):
                return self._target.find("accounts", {"user_id": name}) is not None
            return self._target.find("users", {"uid": name}) is not None
        name = principal.removeprefix(_GROUPS)
        return bool(self._target.columns("groups")) and (
            self._target.find("groups", {"gid": name}) is not None
        )

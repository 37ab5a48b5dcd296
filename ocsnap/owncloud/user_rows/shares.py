"""Shares that a user made; of a user who was deleted also those that others made for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ocsnap.owncloud.user_rows.target import Act, number_of, text_of

if TYPE_CHECKING:
    from ocsnap.owncloud.user_rows.file_ids import FileIds
    from ocsnap.owncloud.user_rows.target import Row, Target

# lib/public/Share/... of ownCloud 10, class Constants.
_USER, _GROUP, _USER_OF_GROUP, _LINK = 0, 1, 2, 3
_KINDS: Final = {_USER: "user", _GROUP: "group", _LINK: "link"}
_FILES: Final = frozenset({"file", "folder"})


class Shares:
    """The rows of oc_share that concern one user."""

    def __init__(self, target: Target, user: str, *, incoming: bool, today: str) -> None:
        """Choose them.

        Args:
            target: both databases.
            user: the user's id.
            incoming: those that others made for the user; else those that the user made.
            today: the present time as `YYYY-MM-DD hh:mm:ss`, UTC.
        """
        self._target = target
        self._user = user
        self._today = today
        self._rows = [row for row in target.rows("share") if self._concerns(row, incoming=incoming)]

    def files(self) -> set[int]:
        """Return the numbers of the files that they are of, in the dump."""
        return {number_of(row["file_source"]) for row in self._rows}

    def bring(self, files: FileIds) -> None:
        """Bring them back.

        Args:
            files: translates the numbers of files.
        """
        numbers: dict[int, int] = {}
        for row in sorted(self._rows, key=lambda row: number_of(row["id"])):
            old = number_of(row["id"])
            source = number_of(row["file_source"])
            told = self._told(row, files.path(source))
            reason = self._reason_against(row)
            if reason:
                self._target.skip("share", told, reason)
                continue
            present = self._present_link(row)
            if present is not None:
                numbers[old] = present
                self._target.tell(Act.PRESENT, "share", told)
                continue
            number = files.today(source)
            if number is None:
                self._target.skip("share", told, "what it shares is not there")
                continue
            row["file_source"] = number
            row["item_source"] = str(number)
            parent = number_of(row.get("parent"))
            row["parent"] = numbers.get(parent) if parent else None
            key = ["share_type", "share_with", "uid_owner", "item_type", "file_source"]
            if number_of(row["share_type"]) == _LINK:
                key = ["share_type", "uid_owner", "item_type", "file_source", "token"]
            # Very old ones have columns fewer, and nothing to know them by but what is there.
            key = [name for name in key if name in row]
            numbers[old] = self._target.bring("share", row, key, told=told, number="id")

    def _concerns(self, row: Row, *, incoming: bool) -> bool:
        if text_of(row["item_type"]) not in _FILES:
            return False
        made_by = {text_of(row["uid_owner"]), text_of(row.get("uid_initiator"))}
        if not incoming or self._user in made_by:
            return not incoming and self._user in made_by
        with_user = number_of(row["share_type"]) in {_USER, _USER_OF_GROUP}
        return with_user and text_of(row["share_with"]) == self._user

    def _reason_against(self, row: Row) -> str:
        kind = number_of(row["share_type"])
        recipient = text_of(row["share_with"])
        if kind == _USER_OF_GROUP:
            return "ownCloud makes it again from the share with the group"
        if kind not in _KINDS:
            return "the other side was told when it ended: share it anew"
        expiration = text_of(row.get("expiration"))
        if expiration and expiration < self._today:
            return f"it ended on {expiration[:10]}"
        if kind == _USER and not self._has_user(recipient):
            return f"there is no user {recipient}"
        if kind == _GROUP and not self._has_group(recipient):
            return f"there is no group {recipient}"
        owner = text_of(row["uid_owner"])
        return "" if self._has_user(owner) else f"there is no user {owner}"

    def _present_link(self, row: Row) -> int | None:
        """Return the number of a link of the same address: it is known by that alone."""
        token = row.get("token")
        if number_of(row["share_type"]) != _LINK or not token:
            return None
        found = self._target.find("share", {"token": token}, "id")
        return None if found is None else number_of(found)

    def _has_user(self, user: str) -> bool:
        if user == self._user:
            return True
        if self._target.columns("accounts"):
            return self._target.find("accounts", {"user_id": user}) is not None
        return self._target.find("users", {"uid": user}) is not None

    def _has_group(self, group: str) -> bool:
        if self._target.columns("groups") and self._target.find("groups", {"gid": group}):
            return True
        if not self._target.columns("ldap_group_mapping"):
            return False
        return self._target.find("ldap_group_mapping", {"owncloud_name": group}) is not None

    def _told(self, row: Row, path: str) -> str:
        kind = number_of(row["share_type"])
        if kind == _LINK:
            return f"{path}, link {text_of(row.get('token'))}"
        name = _KINDS.get(kind, f"kind {kind}")
        return f"{path} of {text_of(row['uid_owner'])} with {name} {text_of(row['share_with'])}"

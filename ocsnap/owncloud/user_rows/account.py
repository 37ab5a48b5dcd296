"""The account of a user who was deleted since, and preferences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ocsnap.owncloud.user_rows.target import number_of, text_of

if TYPE_CHECKING:
    from ocsnap.owncloud.user_rows.target import Target

_SECRETS: Final = frozenset({("core", "lostpassword")})
"""A link to set a new password that was sent back then must not work again."""


def is_known(target: Target, user: str) -> bool:
    """Return whether ownCloud knows a user today.

    Args:
        target: both databases.
        user: the user's id.
    """
    if target.columns("accounts"):
        return target.find("accounts", {"user_id": user}) is not None
    return target.find("users", {"uid": user}) is not None


def was_known(target: Target, user: str) -> bool:
    """Return whether the dump has an account of a user."""
    table, column = ("accounts", "user_id") if target.columns("accounts") else ("users", "uid")
    return any(text_of(row[column]) == user for row in target.rows(table))


def bring_account(target: Target, user: str, home: str) -> None:
    """Bring back the account of a user whom ownCloud does not know any more.

    Args:
        target: both databases.
        user: the user's id.
        home: where the home is to be today.
    """
    numbers: dict[int, int] = {}
    for row in target.rows("accounts"):
        if text_of(row["user_id"]) == user:
            told = f"account of {user}"
            row["home"] = home
            number = target.bring("accounts", row, ["user_id"], told=told, number="id")
            numbers[number_of(row["id"])] = number
    for row in target.rows("account_terms"):
        account = numbers.get(number_of(row["account_id"]))
        if account is not None:
            row["account_id"] = account
            told = f"search term {text_of(row['term'])}"
            target.bring("account_terms", row, ["account_id", "term"], told=told, number="id")
    for row in target.rows("users"):
        if text_of(row["uid"]) == user:
            target.bring("users", row, ["uid"], told=f"password and name of {user}")
    _bring_memberships(target, user)


def _bring_memberships(target: Target, user: str) -> None:
    for table, what in (("group_user", "member"), ("group_admin", "administrator")):
        for row in target.rows(table):
            if text_of(row["uid"]) != user:
                continue
            group = text_of(row["gid"])
            told = f"{user} is {what} of the group {group}"
            if target.find("groups", {"gid": group}) is None:
                target.skip(table, told, "there is no such group any more")
            else:
                target.bring(table, row, ["gid", "uid"], told=told)


def bring_preferences(target: Target, user: str) -> None:
    """Bring back preferences that are not set any more; those that are set stay as they are.

    Args:
        target: both databases.
        user: the user's id.
    """
    key = ["userid", "appid", "configkey"]
    for row in target.rows("preferences", "userid", {user}):
        name = (text_of(row["appid"]), text_of(row["configkey"]))
        told = f"{name[0]} {name[1]}"
        if name in _SECRETS:
            target.skip("preferences", told, "it would open the account")
        else:
            target.bring("preferences", row, key, told=told)

"""What is brought back, by topic, and what is not, and why."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Topic(StrEnum):
    """Rows that belong together, and can be left out together."""

    ACCOUNT = "account"
    PREFERENCES = "preferences"
    SHARES = "shares"
    COMMENTS = "comments"
    TAGS = "tags"
    FAVOURITES = "favourites"
    PROPERTIES = "properties"
    TRASH = "trash"
    CALENDARS = "calendars"
    CONTACTS = "contacts"


TABLES: Final[dict[Topic, tuple[str, ...]]] = {
    Topic.ACCOUNT: ("accounts", "users", "account_terms", "group_user", "group_admin"),
    Topic.PREFERENCES: ("preferences",),
    Topic.SHARES: ("share",),
    Topic.COMMENTS: ("comments", "comments_read_markers"),
    Topic.TAGS: ("systemtag", "systemtag_object_mapping"),
    Topic.FAVOURITES: ("vcategory", "vcategory_to_object"),
    Topic.PROPERTIES: ("properties",),
    Topic.TRASH: ("files_trash",),
    Topic.CALENDARS: (
        "calendars",
        "calendarobjects",
        "calendarchanges",
        "calendarsubscriptions",
        "dav_shares",
    ),
    Topic.CONTACTS: (
        "addressbooks",
        "cards",
        "cards_properties",
        "addressbookchanges",
        "dav_shares",
    ),
}
"""The tables of each topic, without their prefix."""

NOT_BROUGHT_BACK: Final[dict[str, str]] = {
    "activity": "the history of what happened stays as it is",
    "activity_mq": "these messages have been sent or are out of date",
    "authtoken": "sessions and app passwords must be made anew",
    "share_external": "the other cloud was told when these shares ended: accept them anew",
    "notifications": "they are out of date",
    "schedulingobjects": "these invitations have been dealt with",
    "dav_properties": "other programs' marks on calendars and folders",
    "external_applicable": "external storages are the administrator's",
    "privatedata": "an app's own data",
    "persistent_locks": "no lock may outlive its client",
    "twofactor_totp_secrets": "a second factor is set up anew, or reset by the administrator",
}
"""Tables that may have rows of a user, and why these are left alone."""

SITE_WIDE: Final = frozenset(
    {
        *("appconfig", "filecache", "storages", "mounts", "mimetypes", "jobs", "file_locks"),
        *("migrations", "groups", "credentials", "trusted_servers", "systemtag_group"),
        *("external_mounts", "external_config", "external_options", "federated_reshares"),
        *("ldap_user_mapping", "ldap_group_mapping", "ldap_group_members"),
        *("oauth2_clients", "oauth2_auth_codes", "oauth2_access_tokens", "oauth2_refresh_tokens"),
    }
)
"""Tables without rows that a restore for one user must bring back, or whose rows others see to."""


def tables_of(topics: frozenset[Topic], prefix: str) -> list[str]:
    """Return the tables that a restore of some topics writes to.

    Args:
        topics: which.
        prefix: the tables' prefix.
    """
    return sorted({f"{prefix}{name}" for topic in topics for name in TABLES[topic]})


def left_alone(tables: frozenset[str], prefix: str) -> list[str]:
    """Tell what of a dump is not brought back.

    Args:
        tables: the dump's tables.
        prefix: their prefix.

    Returns:
        Sentences: a table with a reason each, then those of apps that nothing is known of.
    """
    names = {table.removeprefix(prefix) for table in tables if table.startswith(prefix)}
    told = [
        f"Not brought back: {prefix}{name}, {reason}."
        for name, reason in NOT_BROUGHT_BACK.items()
        if name in names
    ]
    known = {each for listed in TABLES.values() for each in listed}
    unknown = sorted(names - known - NOT_BROUGHT_BACK.keys() - SITE_WIDE)
    if unknown:
        listed = ", ".join(f"{prefix}{name}" for name in unknown)
        told.append(f"Not looked into, since ocsnap does not know these apps: {listed}.")
    return told

"""Names of numeric owners, so that a restore elsewhere can tell who was meant."""

from __future__ import annotations

import grp
import pwd
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def user_names(uids: Iterable[int]) -> dict[int, str]:
    """Return the names of those users that this machine knows."""
    names = {}
    for uid in set(uids):
        try:
            names[uid] = pwd.getpwuid(uid).pw_name
        except KeyError:
            continue
    return names


def group_names(gids: Iterable[int]) -> dict[int, str]:
    """Return the names of those groups that this machine knows."""
    names = {}
    for gid in set(gids):
        try:
            names[gid] = grp.getgrgid(gid).gr_name
        except KeyError:
            continue
    return names

from __future__ import annotations

import hashlib

import pytest

from ocsnap.owncloud import checksums
from ocsnap.owncloud.storages import Place, Storages, Tree, lost_home, storage_kind

LONG = "x" * 80
TREES = [
    Tree(None, b"/srv/data"),
    Tree("alice", b"/srv/data/alice"),
    Tree("bob", b"/mnt/homes/bob"),
    Tree(LONG, b"/srv/data/long"),
]


def hashed(storage: str) -> str:
    return hashlib.md5(storage.encode(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    ("storage", "place"),
    [
        ("home::alice", Place(1, b"")),
        ("local::/srv/data/", Place(0, b"")),
        ("local::/srv/data/alice/uploads/", Place(1, b"uploads/")),
        ("local::/mnt/homes/bob/", Place(2, b"")),
        ("local::/mnt/link/bob/", Place(2, b"")),
        ("local::/srv/data/appdata_x/", Place(0, b"appdata_x/")),
        ("local::/srv/data/alice/files/inside/", Place(1, b"files/inside/")),
        (hashed(f"home::{LONG}"), Place(3, b"")),
        ("local::/elsewhere/", None),
        ("local::/srv/database/", None),
        ("home::nobody", None),
        ("smb::x", None),
        (hashed("anything"), None),
    ],
)
def test_a_storage_is_found(storage: str, place: Place | None):
    assert Storages(TREES, {"bob": "/mnt/link/bob"}).place(storage) == place


def test_storages_that_are_not_found_are_told_by_their_kind():
    assert lost_home("home::nobody") == "nobody"
    assert lost_home("smb::x") is None
    assert storage_kind("smb::user@host//share/") == "smb"
    assert storage_kind(hashed("x")) == "unknown"


def test_checksums_are_read_and_compared():
    content = b"ownCloud"
    sha1 = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest().upper()
    column = f"SHA1:{sha1} MD5:{md5} ADLER32:0eef034c NEW:12 SHA1"
    wanted = checksums.parse(column)
    assert wanted.keys() == {"SHA1", "MD5", "ADLER32"}
    assert checksums.differing(wanted, [content[:3], content[3:]]) == []
    assert checksums.differing(wanted, [b"owncloud"]) == ["SHA1", "MD5", "ADLER32"]
    assert checksums.parse("") == checksums.parse("MD5:short") == {}

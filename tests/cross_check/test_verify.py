"""`verify --cross-check` sees what is wrong, and takes nothing harmless for it."""

from __future__ import annotations

import hashlib
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.installation import install

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.installation import Installation

LETTER = "files/letter.txt"
CONTENT = b"what ownCloud knows of this letter"


@pytest.fixture(params=["sqlite", "mariadb"])
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    if request.param == "sqlite":
        yield install(tmp_path, users=("alice", "bob"), files_per_user=6, large_bytes=9_000_000)
        return
    if shutil.which("mariadb-install-db") is None:
        pytest.skip("MariaDB is not installed: apt-get install mariadb-server")
    server = request.getfixturevalue("mariadb")
    name = server.new_database()
    yield install(
        tmp_path,
        users=("alice", "bob"),
        files_per_user=6,
        dbtype="mysql",
        mysql=server.login(name, tcp=True),
    )
    server.run(None, f"DROP DATABASE `{name}`")


@pytest.fixture
def small(tmp_path: Path) -> Installation:
    return install(tmp_path, users=("alice",), files_per_user=2, large_bytes=0)


def letter(installation: Installation, **changes: object) -> Path:
    """Give alice a letter that ownCloud knows all about, but for `changes` in its row."""
    path = installation.site.homes["alice"] / LETTER
    path.write_bytes(CONTENT)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    row: dict[str, object] = {
        "path": LETTER,
        "path_hash": hashlib.md5(LETTER.encode(), usedforsecurity=False).hexdigest(),
        "name": "letter.txt",
        "size": len(CONTENT),
        "mtime": 1_700_000_000,
        "storage_mtime": 1_700_000_000,
        "mimetype": 6,
        "mimepart": 5,
        "parent": 1,
        "etag": "x",
        "permissions": 27,
        "checksum": f"SHA1:{hashlib.sha1(CONTENT, usedforsecurity=False).hexdigest()}",
    }
    insert(installation, row | changes)
    return path


def insert(
    installation: Installation, row: dict[str, object], storage: str = "home::alice"
) -> None:
    with installation.site.connected() as database:
        found = database.rows("SELECT numeric_id FROM oc_storages WHERE id = ?", storage)
        number = found[0][0] if found else None
        if number is None:
            number = database.run("INSERT INTO oc_storages (id) VALUES (?)", storage)
        values = {"storage": number, **row}
        marks = ", ".join("?" * len(values))
        sql = f"INSERT INTO oc_filecache ({', '.join(values)}) VALUES ({marks})"
        database.run(sql, *values.values())


def check(installation: Installation, *arguments: str, status: int = 0) -> dict[str, Any]:
    told = installation.run("--json", "verify", "--cross-check", *arguments)
    assert told.status == status, told
    document = told.json()
    assert document["report"]["damages"] == []
    found: dict[str, Any] = document["cross_check"]
    return found


def only(report: dict[str, Any]) -> dict[str, str]:
    (finding,) = report["findings"]
    return {name: finding[name] for name in ("kind", "severity", "path")}


def test_a_sound_snapshot_is_clean(installation: Installation):
    installation.json("backup")
    report = check(installation, "--read-data")
    assert report["counts"] == {}
    assert report["compared_contents"] > 10
    assert report["compared_bytes"] > 2_000_000, "the large files, which are several blobs"
    assert report["compared_sizes"] == report["rows"] - report["left_out"]
    assert report["files"] == report["compared_sizes"] + report["not_listed"]
    installation.json("backup")
    again = check(installation)
    assert (again["counts"], again["compared_contents"]) == ({}, 0)


def test_what_was_written_past_owncloud_differs_but_is_not_wrong(installation: Installation):
    letter(installation).write_bytes(b"written straight to the disk, longer than before")
    (installation.site.homes["bob"] / "files" / "unknown.txt").write_bytes(b"and this one is new")
    installation.json("backup")
    report = check(installation, "--read-data")
    assert report["counts"] == {"size/warning": 1, "unlisted/warning": 1}
    assert {finding["path"] for finding in report["findings"]} == {
        f"alice/{LETTER}",
        "bob/files/unknown.txt",
    }
    told = installation.run("verify", "--cross-check").out
    assert f"DIFFERS alice/{LETTER}: ownCloud knows {len(CONTENT)} bytes" in told


def test_bits_that_fell_over_are_found_by_the_checksum_alone(installation: Installation):
    path = letter(installation)
    before = path.stat()
    path.write_bytes(CONTENT.replace(b"knows", b"knowz"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    installation.json("backup")
    assert check(installation)["counts"] == {}
    report = check(installation, "--read-data", status=18)
    assert only(report) == {"kind": "content", "severity": "error", "path": f"alice/{LETTER}"}


def test_an_edit_inside_a_large_file_is_read_through_its_extents(installation: Installation):
    installation.set("scan", trust_etags="never")
    installation.json("backup")
    large = installation.site.homes["alice"] / "files" / "large.bin"
    before = large.stat()
    with large.open("r+b") as file:
        file.seek(700_000)
        file.write(b"edited")
    os.utime(large, ns=(before.st_atime_ns, before.st_mtime_ns))
    second = installation.json("backup")
    assert second["statistics"]["raw_delta_bytes"] < 500_000
    report = check(installation, "--read-data", status=18)
    assert only(report)["path"] == "alice/files/large.bin"
    first = check(installation, "--read-data", "--snapshot", second["parent"][:12])
    assert first["counts"] == {}


def test_a_row_without_a_file_is_wrong(small: Installation):
    letter(small).unlink()
    small.json("backup")
    report = check(small, status=18)
    assert only(report) == {"kind": "missing", "severity": "error", "path": f"alice/{LETTER}"}
    assert f"WRONG alice/{LETTER}" in small.run("verify", "--cross-check").out


def test_what_a_backup_leaves_out_is_not_missing(small: Installation):
    letter(small)
    insert(small, {"path": "cache/a", "path_hash": "a", "mimetype": 6, "size": 1})
    insert(small, {"path": "files/x.part", "path_hash": "b", "mimetype": 6, "size": 1})
    before = check_after_backup(small)["left_out"]
    assert check_after_backup(small)["counts"] == {}
    small.set("backup", exclude=["letter.*"])
    assert check_after_backup(small)["left_out"] == before + 1
    small.set("backup", exclude=None)
    report = check(small, status=18)
    assert only(report)["path"] == f"alice/{LETTER}"
    assert "configured otherwise now" in report["notes"][0]


def check_after_backup(installation: Installation) -> dict[str, Any]:
    installation.json("backup")
    return check(installation)


def test_a_folder_in_place_of_a_file_is_wrong(small: Installation):
    path = letter(small)
    path.unlink()
    path.mkdir()
    small.json("backup")
    assert only(check(small, status=18))["kind"] == "kind"


def test_of_encrypted_files_only_their_presence_is_checked(small: Installation):
    letter(small, encrypted=1, unencrypted_size=3, size=3, checksum="SHA1:" + "0" * 40)
    small.json("backup")
    report = check(small, "--read-data")
    assert (report["encrypted"], report["counts"]) == (1, {})
    assert "only their presence was checked: 1" in small.run("verify", "--cross-check").out


def test_storages_elsewhere_are_counted_and_lost_homes_are_wrong(small: Installation):
    row = {"path": "a.txt", "path_hash": "a", "mimetype": 6, "size": 1}
    insert(small, row, "smb::bob@server//share/")
    insert(small, row, "home::gone")
    small.json("backup")
    report = check(small, status=18)
    assert report["elsewhere"] == {"smb": 1}
    assert only(report) == {"kind": "lost-home", "severity": "error", "path": "gone"}


def test_links_and_files_that_owncloud_never_lists_are_fine(small: Installation):
    home = small.site.homes["alice"]
    (home / "files" / ".htaccess").write_text("Deny from all\n")
    (home / "files" / "link").symlink_to("elsewhere")
    (home / "files_encryption").mkdir()
    (home / "files_encryption" / "key").write_bytes(b"secret")
    small.json("backup")
    assert check(small)["counts"] == {}


def test_content_that_is_lost_in_the_repository_is_wrong_too(small: Installation):
    letter(small)
    small.json("backup")
    for pack in (small.repository / "packs").glob("*/*.gpg"):
        pack.unlink()
    told = small.run("--json", "verify", "--cross-check", "--read-data")
    assert told.status == 10, "damage of the repository is the worse of the two"
    document = told.json()
    assert document["cross_check"]["counts"] == {"unreadable/error": 1}
    assert document["cross_check"]["findings"][0]["path"] == "the database's dump"
    assert document["report"]["files"]


def test_many_findings_are_counted_and_the_first_are_named(small: Installation):
    letter(small)
    with small.site.connected() as database:
        (storage,) = database.rows("SELECT numeric_id FROM oc_storages WHERE id = 'home::alice'")[0]
        database.run_many(
            "INSERT INTO oc_filecache (storage, path, path_hash, mimetype, size)"
            " VALUES (?, ?, ?, 6, 1)",
            [(storage, f"files/lost {n:04}", f"{n}") for n in range(1200)],
        )
    small.json("backup")
    report = check(small, status=18)
    assert report["counts"] == {"missing/error": 1200}
    assert len(report["findings"]) == 1000
    assert "200 more are not named" in small.run("verify", "--cross-check").out


@pytest.mark.parametrize(
    "arguments",
    [["--share", "5%"], ["--read-data", "--share", "101%"], ["--snapshot", "2026-11-01"]],
)
def test_the_options_are_checked_first(small: Installation, arguments: list[str]):
    told = small.run("verify", *arguments)
    assert told.status == 2, told


def test_a_share_is_read_each_time_and_all_of_it_in_the_end(small: Installation):
    for number in range(4):
        (small.site.homes["alice"] / "files" / f"{number}.bin").write_bytes(os.urandom(90_000))
        small.json("backup")
    read: list[int] = []
    for run in range(1, 4):
        document = small.json("verify", "--read-data", "--share", "34%")
        assert document["coverage"]["runs"] == run
        read.append(document["report"]["read_bytes"])
    assert max(read) < document["report"]["stored_bytes"]
    assert document["coverage"]["covered_bytes"] == document["coverage"]["total_bytes"]
    assert document["coverage"]["never_read"] == 0
    told = small.run("verify", "--cross-check", "--read-data", "--share", "34%").out
    assert "everything since" in told
    assert "Content compared with ownCloud's checksum" in told

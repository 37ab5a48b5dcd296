"""One file, one folder, one user: out of a snapshot into a folder, or back into the cloud."""

from __future__ import annotations

import os
import random
import shutil
import stat
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from ocsnap.commands.run_lock import run_lock
from tests.cli.installation import Installation, install
from tests.servers.owncloud_user_rows import add_user_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LETTER = "Documents/letters/dear.odt"
WWW_DATA = 33


@dataclass
class Cloud:
    """An installation with a snapshot in which alice has a letter.

    Attributes:
        installation: it.
        home: alice's home.
    """

    installation: Installation
    home: Path

    @property
    def letter(self) -> Path:
        return self.home / "files" / LETTER

    def restore(self, *arguments: str | Path, status: int = 0) -> Any:  # noqa: ANN401 # a document
        result = self.installation.run("--json", "restore", "--user", "alice", "--yes", *arguments)
        assert result.status == status, result
        return result.json()

    def cached(self, path: str) -> list[tuple[Any, ...]]:
        """Return number and size that ownCloud has of a path in the home."""
        with self.installation.site.connected() as database:
            return database.rows(
                "SELECT f.fileid, f.size FROM oc_filecache f JOIN oc_storages s"
                " ON f.storage = s.numeric_id WHERE s.id = 'home::alice' AND f.path = ?",
                path,
            )


def make_cloud(folder: Path, *, rows: bool = False, **site: Any) -> Cloud:  # noqa: ANN401 # make_site knows them
    made = install(folder, **({"users": ("alice", "bob"), "large_bytes": 200_000} | site))
    if rows:
        add_user_rows(made.site, random.Random(1))
    cloud = Cloud(made, made.site.homes["alice"])
    cloud.letter.parent.mkdir()
    cloud.letter.write_text("Dear Bob")
    cloud.letter.chmod(0o640)
    os.utime(cloud.letter, (1_700_000_000, 1_700_000_000))
    owner = cloud.home.stat()
    for path in (cloud.letter, cloud.letter.parent):
        os.chown(path, owner.st_uid, owner.st_gid)
    assert made.run("backup").status == 0
    return cloud


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cloud, Path]:
    """Make a cloud for all tests that make no backup, and a copy of alice's home."""
    folder = tmp_path_factory.mktemp("cloud")
    cloud = make_cloud(folder)
    shutil.copytree(cloud.home, folder / "copy", symlinks=True)
    return cloud, folder / "copy"


@pytest.fixture
def cloud(shared: tuple[Cloud, Path]) -> Cloud:
    cloud, copy = shared
    shutil.rmtree(cloud.home)
    shutil.copytree(copy, cloud.home, symlinks=True)
    return cloud


@pytest.fixture
def own(tmp_path: Path) -> Cloud:
    """Make a cloud for a test that makes backups."""
    return make_cloud(tmp_path)


# -- into a folder ---------------------------------------------------------------------------


def test_a_file_comes_into_a_folder(cloud: Cloud, tmp_path: Path):
    to = tmp_path / "to"
    to.mkdir()
    told = cloud.restore("--path", LETTER, "--to", to)
    assert told["place"] == str(to / "dear.odt")
    assert (to / "dear.odt").read_text() == "Dear Bob"
    assert (to / "dear.odt").stat().st_mtime == 1_700_000_000
    assert [path.name for path in to.iterdir()] == ["dear.odt"]


def test_a_folder_and_a_home_come_into_a_folder(cloud: Cloud, tmp_path: Path):
    told = cloud.restore("--path", "Documents", "--to", tmp_path)
    assert (tmp_path / "Documents" / "letters" / "dear.odt").read_text() == "Dear Bob"
    assert told["restored"] > 2
    cloud.restore("--to", tmp_path)
    assert (tmp_path / "alice" / "files_trashbin" / "files" / "gone.txt.d1600000002").exists()


def test_nothing_in_a_folder_is_touched(cloud: Cloud, tmp_path: Path):
    (tmp_path / "dear.odt").write_text("mine")
    told = cloud.restore("--path", LETTER, "--to", tmp_path, status=14)
    assert "is there already" in told["error"]["message"]
    assert (tmp_path / "dear.odt").read_text() == "mine"


def test_a_folder_that_is_not_there_is_told(cloud: Cloud, tmp_path: Path):
    told = cloud.restore("--path", LETTER, "--to", tmp_path / "none", status=15)
    assert "mkdir -p" in told["error"]["hint"], told


def test_only_the_packs_that_are_needed_are_fetched(own: Cloud, tmp_path: Path):
    before = set((own.installation.repository / "packs").rglob("*.gpg"))
    late = own.home / "files" / "late.txt"
    late.write_text("late")
    own.installation.set("scan", trust_etags="never")
    assert own.installation.run("backup").status == 0
    for pack in before:
        pack.unlink()
    assert own.restore("--path", "late.txt", "--to", tmp_path)["failed"] == []
    assert own.restore("--path", "large.bin", "--to", tmp_path, status=10)["failed"]
    assert not (tmp_path / "large.bin").exists()


def test_a_dry_run_does_nothing(cloud: Cloud, tmp_path: Path):
    told = cloud.restore("--path", "Documents", "--to", tmp_path, "--dry-run")
    assert told["dry_run"]
    assert told["actions"][0]["size_bytes"] > 0
    assert told["estimate"]["fetch_packs"] > 0
    assert not (tmp_path / "Documents").exists()


# -- into the cloud --------------------------------------------------------------------------


def test_a_deleted_file_comes_back_and_owncloud_knows_it(cloud: Cloud):
    cloud.letter.unlink()
    told = cloud.restore("--path", LETTER)
    assert told["scanned"] == ["alice/files/Documents/letters"]
    status = cloud.letter.stat()
    assert cloud.letter.read_text() == "Dear Bob"
    assert (status.st_mtime, stat.S_IMODE(status.st_mode)) == (1_700_000_000, 0o640)
    ((_, size),) = cloud.cached(f"files/{LETTER}")
    assert size == 8
    assert status.st_nlink == 1
    assert not list(cloud.home.glob(".ocsnap*"))


def test_folders_that_are_gone_are_made_again(cloud: Cloud):
    mode = cloud.letter.parent.stat().st_mode
    shutil.rmtree(cloud.home / "files" / "Documents")
    told = cloud.restore("--path", LETTER)
    assert told["scanned"] == ["alice/files"]
    assert cloud.letter.parent.stat().st_mode == mode
    assert cloud.cached("files/Documents/letters")
    assert os.listdir(cloud.home / "files" / "Documents") == ["letters"]  # noqa: PTH208


def test_what_differs_is_kept_beside(cloud: Cloud):
    cloud.letter.write_text("Dear Carol")
    told = cloud.restore("--path", LETTER)
    assert cloud.letter.read_text() == "Dear Bob"
    ((path, kept),) = told["kept"]
    assert path == f"files/{LETTER}"
    assert kept.startswith("files/Documents/letters/dear (before restore 20")
    assert kept.endswith(").odt")
    assert (cloud.home / kept).read_text() == "Dear Carol"
    assert cloud.cached(kept)


def test_what_differs_is_replaced_if_that_is_wanted(cloud: Cloud):
    cloud.letter.write_text("Dear Carol")
    told = cloud.restore("--path", LETTER, "--replace")
    assert told["kept"] == []
    assert cloud.letter.read_text() == "Dear Bob"
    assert len(list(cloud.letter.parent.iterdir())) == 1


def test_what_is_right_is_left_alone(cloud: Cloud):
    before = cloud.letter.stat().st_ctime_ns
    told = cloud.restore("--path", "Documents")
    assert (told["actions"], told["restored"]) == ([], 0)
    assert told["same"] > 1
    assert cloud.letter.stat().st_ctime_ns == before
    os.utime(cloud.letter)  # then only the content tells
    assert cloud.restore("--path", "Documents")["actions"] == []


def test_a_folder_is_merged(cloud: Cloud):
    folder = cloud.home / "files" / "Documents"
    (folder / "new.txt").write_text("new")
    shutil.rmtree(cloud.letter.parent)
    (cloud.letter.parent).write_text("a file in the place of the folder")
    told = cloud.restore("--path", "Documents")
    assert (folder / "new.txt").read_text() == "new"
    assert cloud.letter.read_text() == "Dear Bob"
    ((_, kept),) = told["kept"]
    assert (cloud.home / kept).read_text() == "a file in the place of the folder"


def test_a_folder_in_the_place_of_a_file_is_replaced_or_kept(cloud: Cloud):
    for wanted in (("--replace",), ()):
        cloud.letter.unlink()
        cloud.letter.mkdir()
        (cloud.letter / "inside").write_text("x")
        told = cloud.restore("--path", LETTER, *wanted)
        assert cloud.letter.read_text() == "Dear Bob"
        assert bool(told["kept"]) is not bool(wanted)
    ((_, kept),) = told["kept"]
    assert (cloud.home / kept / "inside").read_text() == "x"
    assert len(list(cloud.letter.parent.iterdir())) == 2


def test_a_dry_run_tells_each_file(cloud: Cloud):
    cloud.letter.write_text("Dear Carol")
    (cloud.home / "files" / "large.bin").unlink()
    told = cloud.restore("--path", "/files", "--dry-run")
    acts = {action["path"]: action["act"] for action in told["actions"]}
    assert acts == {f"files/{LETTER}": "exchange", "files/large.bin": "put"}
    assert cloud.letter.read_text() == "Dear Carol"
    out = cloud.installation.run("-q", "restore", "--user", "alice", "--path", LETTER, "--dry-run")
    assert f"M files/{LETTER}  8 bytes" in out.out
    assert "1 entries; 8 bytes come out of the repository in 1 packs" in out.out


def test_versions_and_trash_that_are_there_stay(cloud: Cloud):
    version = cloud.home / "files_versions" / "large.bin.v1600000001"
    version.write_bytes(b"another")
    told = cloud.restore("--path", "/files_versions")
    assert [action["act"] for action in told["actions"]] == ["leave"]
    assert version.read_bytes() == b"another"


def test_nothing_happens_without_an_answer(cloud: Cloud):
    cloud.letter.unlink()
    result = cloud.installation.run("restore", "--user", "alice", "--path", LETTER)
    assert result.status == 14
    assert "nobody can be asked" in result.err
    assert not cloud.letter.exists()


def test_in_maintenance_nothing_is_put_back(cloud: Cloud):
    cloud.letter.unlink()
    overlay = cloud.installation.site.overlay("z", maintenance=True)
    told = cloud.restore("--path", LETTER, status=5)
    overlay.unlink()
    assert "in maintenance mode" in told["error"]["message"]
    assert not cloud.letter.exists()


def test_a_scan_that_fails_is_told_and_can_be_made_up_for(cloud: Cloud):
    cloud.letter.unlink()
    with cloud.installation.site.fault("scan"):
        result = cloud.installation.run("restore", "--user", "alice", "--yes", "--path", LETTER)
    assert result.status == 5
    assert "occ files:scan --path=alice/files/Documents/letters" in result.out
    assert cloud.letter.read_text() == "Dear Bob"
    told = cloud.restore("--path", LETTER)
    assert (told["restored"], told["scan_failure"]) == (0, None)


def test_another_run_is_respected(cloud: Cloud):
    with run_lock(cloud.installation.state_dir, "a backup"):
        told = cloud.restore("--path", LETTER, status=12)
    assert "a backup" in told["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--user", "alice", "--db"], "--user goes with"),
        (["--user", "alice", "--undo"], "--user goes with"),
        (["--user", "alice", "--root", "/x"], "--user goes with"),
        (["--path", "x"], "go with --user"),
        (["--user", "alice", "--without", "nonsense"], "known are account"),
    ],
)
def test_options_that_do_not_fit_are_refused(cloud: Cloud, arguments: list[str], words: str):
    result = cloud.installation.run("restore", *arguments)
    assert result.status == 2
    assert words in result.err


def test_a_restore_that_was_killed_goes_on(own: Cloud):
    installation = own.installation
    files = own.home / "files"
    for number in range(300):
        (files / f"many {number}").write_bytes(os.urandom(3000))
    installation.set("scan", trust_etags="never")
    assert installation.run("backup").status == 0
    wanted = {path.name: path.read_bytes() for path in files.glob("many *")}
    for path in files.glob("many *"):
        path.write_text("overwritten")
    arguments = ("-q", "restore", "--user", "alice", "--path", "/files", "--replace", "--yes")
    with installation.started(*arguments) as process:
        _wait_until(lambda: any(own.home.glob(".ocsnap*")) or process.poll() is not None)
        process.kill()
    for path in files.glob("many *"):
        assert path.read_bytes() in {wanted[path.name], b"overwritten"}
    told = own.restore("--path", "/files", "--replace")
    assert told["failed"] == []
    assert {path.name: path.read_bytes() for path in files.glob("many *")} == wanted
    assert not list(own.home.glob(".ocsnap*"))
    assert not (installation.state_dir / "restoring").exists()


def _wait_until(happened: Callable[[], bool]) -> None:
    for _ in range(6000):
        if happened():
            return
        time.sleep(0.01)
    raise TimeoutError


def test_encrypted_homes_are_left_alone(own: Cloud):
    keys = own.home / "files_encryption" / "keys"
    keys.mkdir(parents=True)
    (keys / "key").write_text("k")
    own.installation.set("scan", trust_etags="never")
    assert own.installation.run("backup").status == 0
    told = own.restore("--path", LETTER, status=14)
    assert "encrypted by ownCloud itself" in told["error"]["message"]


# -- what an attacker in the web server could try ---------------------------------------------


@pytest.mark.parametrize("name", ["Documents", "Documents/letters"])
def test_no_link_leads_root_astray(cloud: Cloud, tmp_path: Path, name: str):
    outside = tmp_path / "outside"
    outside.mkdir()
    folder = cloud.home / "files" / name
    shutil.rmtree(folder)
    folder.symlink_to(outside)
    told = cloud.restore("--path", LETTER, status=14)
    assert "a link to one" in told["error"]["message"]
    assert list(outside.iterdir()) == []
    assert folder.is_symlink()


def test_a_link_in_the_place_of_the_file_gives_way(cloud: Cloud, tmp_path: Path):
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    for wanted in ((), ("--replace",)):
        cloud.letter.unlink()
        cloud.letter.symlink_to(victim)
        cloud.restore("--path", LETTER, *wanted)
        assert cloud.letter.read_text() == "Dear Bob"
        assert not cloud.letter.is_symlink()
        assert victim.read_text() == "untouched"


@pytest.fixture
def foreign(open_folder: Path) -> Cloud:
    cloud = make_cloud(open_folder, owner=(WWW_DATA, WWW_DATA))
    cloud.installation.site.root.parent.chmod(0o755)
    return cloud


def test_everything_belongs_to_the_owner_of_the_home(foreign: Cloud):
    os.chown(foreign.letter, 12345, 12345)
    foreign.letter.chmod(0o4755)
    foreign.installation.set("scan", trust_etags="never")
    assert foreign.installation.run("backup").status == 0
    shutil.rmtree(foreign.letter.parent)
    foreign.restore("--path", LETTER)
    for path in (foreign.letter, foreign.letter.parent):
        status = path.stat()
        assert (status.st_uid, status.st_gid) == (WWW_DATA, WWW_DATA)
    assert stat.S_IMODE(foreign.letter.stat().st_mode) == 0o755
    assert foreign.cached(f"files/{LETTER}")


def test_a_config_that_root_owns_is_fine(foreign: Cloud):
    """Then nobody but root says where the data directory is, and its owner is that of files."""
    site = foreign.installation.site
    foreign.letter.unlink()
    for path in (site.root, *site.root.rglob("*")):
        os.chown(path, 0, 0)
    foreign.restore("--path", LETTER)
    assert foreign.letter.stat().st_uid == WWW_DATA
    os.chown(foreign.home, 4711, 4711)
    foreign.letter.unlink()
    told = foreign.restore("--path", LETTER, status=14)
    assert "does not belong to the user" in told["error"]["message"]


@pytest.mark.parametrize("which", ["files/Documents", "."])
def test_root_does_not_write_where_the_web_server_could_not(foreign: Cloud, which: str):
    foreign.letter.unlink()
    os.chown(foreign.home / which, 0, 0)
    told = foreign.restore("--path", LETTER, status=14)
    assert "does not belong to the user" in told["error"]["message"]
    assert not foreign.letter.exists()


# -- all of a user ----------------------------------------------------------------------------


def make_user_cloud(
    request: pytest.FixtureRequest, folder: Path, kind: str
) -> tuple[Cloud, Callable[[], None]]:
    made: dict[str, Any] = {}
    server = None
    if kind != "sqlite3":
        if kind == "mariadb" and shutil.which("mariadb-install-db") is None:
            pytest.skip("MariaDB is not installed: apt-get install mariadb-server")
        server = request.getfixturevalue(kind)
        made = {"dbtype": "mysql", "mysql": server.login(server.new_database(), tcp=True)}
    cloud = make_cloud(folder, rows=True, **made)

    def drop() -> None:
        if server is not None:
            server.run(None, f"DROP DATABASE `{cloud.installation.site.database.name}`")

    return cloud, drop


@pytest.fixture(params=["sqlite3", "mariadb", "old_mysql"])
def user_cloud(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cloud]:
    cloud, drop = make_user_cloud(request, tmp_path, request.param)
    yield cloud
    drop()


FILE = "oc_filecache f JOIN oc_storages s ON s.numeric_id = f.storage"
PICTURES = {
    "account": "SELECT email, user_id, display_name, home, backend FROM oc_accounts",
    "users": "SELECT * FROM oc_users",
    "terms": "SELECT a.user_id, t.term FROM oc_account_terms t JOIN oc_accounts a"
    " ON a.id = t.account_id",
    "members": "SELECT gid, uid FROM oc_group_user",
    "administrators": "SELECT gid, uid FROM oc_group_admin",
    "preferences": "SELECT * FROM oc_preferences",
    "shares": "SELECT s.id, f.path, h.share_type, h.share_with, h.uid_owner, h.permissions,"
    f" h.token, h.file_target, h.stime FROM oc_share h, {FILE} WHERE f.fileid = h.file_source"
    " AND h.item_source = CAST(f.fileid AS CHAR)",
    "comments": "SELECT s.id, f.path, c.actor_type, c.actor_id, c.message, c.verb, p.message"
    f" FROM {FILE} JOIN oc_comments c ON c.object_id = CAST(f.fileid AS CHAR)"
    " LEFT JOIN oc_comments p ON p.id = c.parent_id",
    "markers": f"SELECT s.id, f.path, m.user_id, m.marker_datetime FROM {FILE}"
    " JOIN oc_comments_read_markers m ON m.object_id = CAST(f.fileid AS CHAR)",
    "tags": f"SELECT s.id, f.path, t.name FROM {FILE} JOIN oc_systemtag_object_mapping m"
    " ON m.objectid = CAST(f.fileid AS CHAR) JOIN oc_systemtag t ON t.id = m.systemtagid",
    "favourites": f"SELECT s.id, f.path, v.uid, v.category FROM {FILE}"
    " JOIN oc_vcategory_to_object o ON o.objid = f.fileid"
    " JOIN oc_vcategory v ON v.id = o.categoryid",
    "properties": f"SELECT s.id, f.path, p.propertyname, p.propertyvalue FROM {FILE}"
    " JOIN oc_properties p ON p.fileid = f.fileid",
    "trash": "SELECT id, user, timestamp, location FROM oc_files_trash",
    "events": "SELECT c.principaluri, c.uri, o.uri, o.calendardata FROM oc_calendars c"
    " JOIN oc_calendarobjects o ON o.calendarid = c.id",
    "subscriptions": "SELECT principaluri, uri, source FROM oc_calendarsubscriptions",
    "contacts": "SELECT b.principaluri, b.uri, c.uri, c.carddata, p.name, p.value"
    " FROM oc_addressbooks b JOIN oc_cards c ON c.addressbookid = b.id"
    " JOIN oc_cards_properties p ON p.cardid = c.id",
    "calendar shares": "SELECT c.principaluri, d.principaluri, d.access FROM oc_dav_shares d"
    " JOIN oc_calendars c ON c.id = d.resourceid",
}


def picture(cloud: Cloud) -> dict[str, list[str]]:
    """Return what the database says of all users, by paths instead of numbers."""
    with cloud.installation.site.connected() as database:
        return {name: sorted(map(str, database.rows(sql))) for name, sql in PICTURES.items()}


def everything(cloud: Cloud) -> dict[str, list[str]]:
    """Return all rows of all tables, numbers included."""
    with cloud.installation.site.connected() as database:
        tables = {table for sql in PICTURES.values() for table in sql.split() if "oc_" in table}
        tables -= {"oc_filecache"}  # the scan sees to it
        return {
            table: sorted(map(str, database.rows(f"SELECT * FROM {table}"))) for table in tables
        }


def delete_user(cloud: Cloud) -> None:
    """Do as ownCloud does when a user is deleted: rows, files, storage."""
    site = cloud.installation.site
    with site.connected() as database:
        (storage,) = database.rows("SELECT numeric_id FROM oc_storages WHERE id = 'home::alice'")[0]
        mine = f"(SELECT fileid FROM oc_filecache WHERE storage = {storage})"
        text = f"(SELECT CAST(fileid AS CHAR) FROM oc_filecache WHERE storage = {storage})"
        principal = "principaluri = 'principals/users/alice'"
        calendars = f"(SELECT id FROM oc_calendars WHERE {principal})"
        books = f"(SELECT id FROM oc_addressbooks WHERE {principal})"
        for statement in (
            "DELETE FROM oc_account_terms",
            "DELETE FROM oc_accounts WHERE user_id = 'alice'",
            "DELETE FROM oc_users WHERE uid = 'alice'",
            "DELETE FROM oc_group_user WHERE uid = 'alice'",
            "DELETE FROM oc_group_admin WHERE uid = 'alice'",
            "DELETE FROM oc_preferences WHERE userid = 'alice'",
            "DELETE FROM oc_share WHERE uid_owner = 'alice' OR share_with = 'alice'",
            f"DELETE FROM oc_comments WHERE object_id IN {text}",
            "UPDATE oc_comments SET actor_type = 'deleted_users' WHERE actor_id = 'alice'",
            "UPDATE oc_comments SET actor_id = actor_type WHERE actor_type = 'deleted_users'",
            "DELETE FROM oc_comments_read_markers WHERE user_id = 'alice'",
            f"DELETE FROM oc_systemtag_object_mapping WHERE objectid IN {text}",
            "DELETE FROM oc_systemtag WHERE name = 'secret'",
            f"DELETE FROM oc_vcategory_to_object WHERE objid IN {mine}",
            "DELETE FROM oc_vcategory WHERE uid = 'alice'",
            f"DELETE FROM oc_properties WHERE fileid IN {mine}",
            "DELETE FROM oc_files_trash WHERE user = 'alice'",
            "DELETE FROM oc_dav_shares",
            f"DELETE FROM oc_calendarobjects WHERE calendarid IN {calendars}",
            f"DELETE FROM oc_calendars WHERE {principal}",
            f"DELETE FROM oc_calendarsubscriptions WHERE {principal}",
            f"DELETE FROM oc_cards WHERE addressbookid IN {books}",
            "DELETE FROM oc_cards_properties WHERE cardid = 1",
            f"DELETE FROM oc_addressbooks WHERE {principal}",
            f"DELETE FROM oc_filecache WHERE storage = {storage}",
            f"DELETE FROM oc_storages WHERE numeric_id = {storage}",
        ):
            database.run(statement)
    shutil.rmtree(cloud.home)


def acts(told: Any, act: str) -> list[tuple[str, str]]:  # noqa: ANN401 # a document
    return sorted((row["table"], row["row"]) for row in told["rows"] if row["act"] == act)


def take_numbers(cloud: Cloud) -> None:
    """Let others take the numbers that the user's rows had."""
    with cloud.installation.site.connected() as database:
        for _ in range(3):
            database.run(
                "INSERT INTO oc_calendars (principaluri, uri) VALUES ('principals/users/bob', ?)",
                f"another {random.Random().getrandbits(64)}",
            )
        database.run(
            "INSERT INTO oc_share (id, share_type, share_with, uid_owner, item_type, file_source)"
            " VALUES (1, 0, 'x', 'bob', 'file', 1)"
        )


def test_a_deleted_user_comes_back_with_everything(user_cloud: Cloud):
    cloud = user_cloud
    site = cloud.installation.site
    before = picture(cloud)
    files = {path.relative_to(cloud.home): path.read_bytes() for path in _files(cloud)}
    delete_user(cloud)
    with site.connected() as database:
        database.run("DELETE FROM oc_groups WHERE gid = 'gone'")
        database.run("DELETE FROM oc_group_user WHERE gid = 'gone'")
    take_numbers(cloud)
    foreign = picture(cloud)

    rows = everything(cloud)
    rehearsed = cloud.restore("--dry-run")
    assert everything(cloud) == rows
    assert not cloud.home.exists()

    told = cloud.restore()
    assert told["scanned"] == ["alice"]
    assert {path.relative_to(cloud.home): path.read_bytes() for path in _files(cloud)} == files
    for act in ("insert", "update", "skip"):
        assert acts(told, act) == acts(rehearsed, act)
    reasons = {row["row"]: row["reason"] for row in told["rows"] if row["act"] == "skip"}
    assert reasons == {
        "alice is member of the group gone": "there is no such group any more",
        "core lostpassword": "it would open the account",
        "files/Documents of alice with group gone": "there is no group gone",
        "files/large.bin of alice with user nobody": "there is no user nobody",
        "files/Documents, link tok2": "it ended on 2020-01-01",
        "files/large.bin of alice with kind 6 x@y.org": "the other side was told when it ended:"
        " share it anew",
        "calendar personal with principals/groups/gone": "there is no principals/groups/gone",
    }
    after = picture(cloud)
    for name, wanted in before.items():
        lost = [row for row in wanted if row not in after[name] and not _left_out(row)]
        assert lost == [], name
        surplus = [row for row in after[name] if row not in wanted and row not in foreign[name]]
        assert surplus == [], name
    assert any("oc_authtoken" in note for note in told["notes"])
    assert any("oc_chat_of_some_app" in note for note in told["notes"])

    again = cloud.restore()
    assert (acts(again, "insert"), acts(again, "update")) == ([], [])
    assert picture(cloud) == after


def _left_out(row: str) -> bool:
    words = ("'gone'", "groups/gone", "lostpassword", "nobody", "tok2", "tok3")
    return any(word in row for word in words)


def _files(cloud: Cloud) -> list[Path]:
    made_again = {"cache", "uploads", "thumbnails"}
    return [
        path
        for path in cloud.home.rglob("*")
        if path.is_file()
        and path.relative_to(cloud.home).parts[0] not in made_again
        and path.suffix != ".part"
    ]


@pytest.mark.parametrize("user_cloud", ["sqlite3", "mariadb"], indirect=True)
def test_what_a_user_changed_since_stays(user_cloud: Cloud):
    cloud = user_cloud
    with cloud.installation.site.connected() as database:
        database.run("UPDATE oc_preferences SET configvalue = '0' WHERE configkey = 'show_hidden'")
        database.run("UPDATE oc_calendarobjects SET calendardata = 'new' WHERE uri = 'one.ics'")
        database.run("DELETE FROM oc_calendarobjects WHERE uri = 'two.ics' AND calendarid = 1")
        database.run("DELETE FROM oc_group_user WHERE uid = 'alice'")
        database.run("DELETE FROM oc_share WHERE share_with = 'alice'")
        database.run("DELETE FROM oc_share WHERE token = 'tok1'")
        database.run("UPDATE oc_comments SET message = 'edited' WHERE message = 'Thanks'")
    told = cloud.restore()
    with cloud.installation.site.connected() as database:
        assert acts(told, "insert") == [
            ("oc_calendarobjects", "event two.ics in personal"),
            ("oc_share", "files/large.bin, link tok1"),
        ]
        # Clients learn of the event, and nothing that was withdrawn from the user comes back.
        changes = database.rows(
            "SELECT uri, synctoken, calendarid, operation FROM oc_calendarchanges"
        )
        assert changes == [("two.ics", 3, 1, 1)]
        assert database.rows("SELECT synctoken FROM oc_calendars WHERE id = 1") == [(4,)]
        assert database.rows("SELECT * FROM oc_share WHERE share_with = 'alice'") == []
        assert database.rows("SELECT * FROM oc_group_user WHERE uid = 'alice'") == []


def test_rows_can_be_left_out(tmp_path: Path, request: pytest.FixtureRequest):
    cloud, _ = make_user_cloud(request, tmp_path, "sqlite3")
    delete_user(cloud)
    told = cloud.restore("--without", "account", status=14)
    assert "no user alice any more" in told["error"]["message"]
    told = cloud.restore("--without", "shares", "--without", "calendars")
    tables = {row["table"] for row in told["rows"]}
    assert "oc_contacts" not in tables
    assert not tables & {"oc_share", "oc_calendars", "oc_calendarobjects"}
    assert {"oc_accounts", "oc_comments", "oc_cards"} <= tables


def test_a_file_of_a_deleted_user_needs_the_user(tmp_path: Path, request: pytest.FixtureRequest):
    cloud, _ = make_user_cloud(request, tmp_path, "sqlite3")
    delete_user(cloud)
    told = cloud.restore("--path", LETTER, status=14)
    assert "no user alice any more" in told["error"]["message"]
    assert not cloud.home.exists()


@pytest.mark.parametrize("user_cloud", ["old_mysql"], indirect=True)
def test_a_refused_row_undoes_all(user_cloud: Cloud):
    cloud = user_cloud
    with cloud.installation.site.connected() as database:
        database.run("DELETE FROM oc_preferences WHERE configkey = 'show_hidden'")
        database.run("DELETE FROM oc_share WHERE token = 'tok1'")
        # Another row than those that ocsnap looks for stands in the way.
        database.run("DELETE FROM oc_share WHERE share_type <> 0 OR share_with <> 'alice'")
        database.run("UPDATE oc_share SET share_type = 3")
        database.run("CREATE UNIQUE INDEX in_the_way ON oc_share (stime, share_type)")
    before = everything(cloud)
    told = cloud.restore(status=6)
    assert "writing a row" in told["error"]["message"]
    assert everything(cloud) == before

"""What ownCloud 10 keeps of its users beside accounts and files: shares, comments, tags, calendars.

Tables and columns after ownCloud 10's migrations (core/Migrations, apps/dav/appinfo/Migrations,
apps/files_trashbin, apps/comments), without columns that nothing here looks at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.servers.owncloud_database import _MYSQL, _SQLITE
from tests.servers.owncloud_filecache import Filecache
from tests.servers.owncloud_tree import EPOCH

if TYPE_CHECKING:
    import random

    from tests.servers.owncloud_database import SiteDatabase
    from tests.servers.owncloud_site import Site

_TABLES = """
DROP TABLE oc_share;
CREATE TABLE oc_share (id {id}, share_type SMALLINT DEFAULT 0 NOT NULL, share_with VARCHAR(255),
  uid_owner VARCHAR(64) DEFAULT '' NOT NULL, uid_initiator VARCHAR(64), parent BIGINT,
  item_type VARCHAR(64) DEFAULT '' NOT NULL, item_source VARCHAR(255), item_target VARCHAR(255),
  file_source BIGINT, file_target VARCHAR(512), permissions SMALLINT DEFAULT 0 NOT NULL,
  stime BIGINT DEFAULT 0 NOT NULL, accepted SMALLINT DEFAULT 0 NOT NULL, expiration DATETIME,
  token VARCHAR(32), mail_send SMALLINT DEFAULT 0 NOT NULL, share_name VARCHAR(64),
  attributes {longtext}) {options};
CREATE TABLE oc_comments (id {id}, parent_id BIGINT DEFAULT 0 NOT NULL,
  topmost_parent_id BIGINT DEFAULT 0 NOT NULL, children_count INTEGER DEFAULT 0 NOT NULL,
  actor_type VARCHAR(64) DEFAULT '' NOT NULL, actor_id VARCHAR(64) DEFAULT '' NOT NULL,
  message {longtext}, verb VARCHAR(64), creation_timestamp DATETIME,
  latest_child_timestamp DATETIME,
  object_type VARCHAR(64) DEFAULT '' NOT NULL, object_id VARCHAR(64) DEFAULT '' NOT NULL) {options};
CREATE TABLE oc_comments_read_markers (user_id VARCHAR(64) DEFAULT '' NOT NULL,
  marker_datetime DATETIME, object_type VARCHAR(64) DEFAULT '' NOT NULL,
  object_id VARCHAR(64) DEFAULT '' NOT NULL, UNIQUE (user_id, object_type, object_id)) {options};
CREATE TABLE oc_systemtag (id {id}, name VARCHAR(64) DEFAULT '' NOT NULL,
  visibility SMALLINT DEFAULT 1 NOT NULL, editable SMALLINT DEFAULT 1 NOT NULL,
  assignable SMALLINT DEFAULT 1 NOT NULL, UNIQUE (name, visibility, editable)) {options};
CREATE TABLE oc_systemtag_object_mapping (objectid VARCHAR(64) DEFAULT '' NOT NULL,
  objecttype VARCHAR(64) DEFAULT '' NOT NULL, systemtagid BIGINT DEFAULT 0 NOT NULL,
  UNIQUE (objecttype, objectid, systemtagid)) {options};
CREATE TABLE oc_vcategory (id {id}, uid VARCHAR(64) DEFAULT '' NOT NULL,
  type VARCHAR(64) DEFAULT '' NOT NULL, category VARCHAR(255) DEFAULT '' NOT NULL) {options};
CREATE TABLE oc_vcategory_to_object (objid BIGINT DEFAULT 0 NOT NULL,
  categoryid BIGINT DEFAULT 0 NOT NULL, type VARCHAR(64) DEFAULT '' NOT NULL,
  PRIMARY KEY (categoryid, objid, type)) {options};
CREATE TABLE oc_properties (id {id}, fileid BIGINT NOT NULL,
  propertyname VARCHAR(255) DEFAULT '' NOT NULL, propertyvalue VARCHAR(255) NOT NULL) {options};
CREATE TABLE oc_groups (gid VARCHAR(64) DEFAULT '' NOT NULL PRIMARY KEY) {options};
CREATE TABLE oc_group_user (gid VARCHAR(64) DEFAULT '' NOT NULL,
  uid VARCHAR(64) DEFAULT '' NOT NULL, PRIMARY KEY (gid, uid)) {options};
CREATE TABLE oc_group_admin (gid VARCHAR(64) DEFAULT '' NOT NULL,
  uid VARCHAR(64) DEFAULT '' NOT NULL, PRIMARY KEY (gid, uid)) {options};
CREATE TABLE oc_account_terms (id {id}, account_id BIGINT NOT NULL, term VARCHAR(191) NOT NULL)
  {options};
CREATE TABLE oc_authtoken (id {id}, uid VARCHAR(64) DEFAULT '' NOT NULL, name {longtext},
  token VARCHAR(200) DEFAULT '' NOT NULL) {options};
CREATE TABLE oc_calendars (id {id}, principaluri VARCHAR(90), displayname VARCHAR(100),
  uri VARCHAR(90), synctoken INTEGER DEFAULT 1 NOT NULL, description VARCHAR(255),
  calendarorder INTEGER DEFAULT 0 NOT NULL, calendarcolor VARCHAR(10), timezone {longtext},
  components VARCHAR(20), transparent SMALLINT DEFAULT 0 NOT NULL, UNIQUE (principaluri, uri))
  {options};
CREATE TABLE oc_calendarobjects (id {id}, calendardata {longblob}, uri VARCHAR(90),
  calendarid BIGINT NOT NULL, lastmodified INTEGER, etag VARCHAR(32), size BIGINT NOT NULL,
  componenttype VARCHAR(255), firstoccurence BIGINT, lastoccurence BIGINT, uid VARCHAR(255),
  classification INTEGER DEFAULT 0, UNIQUE (calendarid, uri)) {options};
CREATE TABLE oc_calendarchanges (id {id}, uri VARCHAR(90), synctoken INTEGER DEFAULT 1 NOT NULL,
  calendarid BIGINT NOT NULL, operation SMALLINT NOT NULL) {options};
CREATE TABLE oc_calendarsubscriptions (id {id}, uri VARCHAR(90), principaluri VARCHAR(90),
  source VARCHAR(255), displayname VARCHAR(100), UNIQUE (principaluri, uri)) {options};
CREATE TABLE oc_addressbooks (id {id}, principaluri VARCHAR(90), displayname VARCHAR(255),
  uri VARCHAR(90), description VARCHAR(255), synctoken INTEGER DEFAULT 1 NOT NULL,
  UNIQUE (principaluri, uri)) {options};
CREATE TABLE oc_cards (id {id}, addressbookid BIGINT DEFAULT 0 NOT NULL, carddata {longblob},
  uri VARCHAR(90), lastmodified BIGINT, etag VARCHAR(32), size BIGINT NOT NULL) {options};
CREATE TABLE oc_cards_properties (id {id}, addressbookid BIGINT DEFAULT 0 NOT NULL,
  cardid BIGINT DEFAULT 0 NOT NULL, name VARCHAR(64), value VARCHAR(255),
  preferred INTEGER DEFAULT 1 NOT NULL) {options};
CREATE TABLE oc_addressbookchanges (id {id}, uri VARCHAR(90),
  synctoken INTEGER DEFAULT 1 NOT NULL, addressbookid BIGINT NOT NULL, operation SMALLINT NOT NULL)
  {options};
CREATE TABLE oc_dav_shares (id {id}, principaluri VARCHAR(90), type VARCHAR(90), access SMALLINT,
  resourceid BIGINT NOT NULL, UNIQUE (principaluri, resourceid, type)) {options};
CREATE TABLE oc_chat_of_some_app (id {id}, words VARCHAR(255)) {options}
"""

EVENT = b"BEGIN:VCALENDAR\r\nSUMMARY:It's \xc3\xbc, \\n 100%\r\nX-ODD:\xff\xfe\x00\r\nEND:VCALENDAR"
CARD = b"BEGIN:VCARD\r\nFN:J\xc3\xb6rg\r\nEND:VCARD"


def add_user_rows(site: Site, rng: random.Random) -> None:
    """Make the tables, and let the first user share, comment, tag and so on with the second."""
    with site.connected() as database:
        create_user_tables(database)
        alice, bob, *_ = site.users
        files = Filecache(database, rng)
        home = files.storage(f"home::{alice}")
        others = files.storage(f"home::{bob}")
        large = files.file_id(home, "files/large.bin")
        documents = files.file_id(home, "files/Documents")
        theirs = files.file_id(others, "files/large.bin")
        _fill_accounts(database, alice, bob)
        _fill_shares(database, alice, bob, (large, documents, theirs))
        _fill_marks(database, alice, bob, (large, documents, theirs))
        _fill_groupware(database, alice, bob)
        database.run(
            "INSERT INTO oc_files_trash (id, user, timestamp, location) VALUES (?, ?, ?, ?)",
            *("gone.txt", alice, "1600000002", "Documents"),
        )


def create_user_tables(database: SiteDatabase) -> None:
    """Create the tables."""
    words = _MYSQL if database.kind == "mysql" else _SQLITE
    blob = "LONGBLOB" if database.kind == "mysql" else "BLOB"
    for statement in _TABLES.format(**words, longblob=blob).split(";"):
        database.run(statement)


def _fill_accounts(database: SiteDatabase, alice: str, bob: str) -> None:
    for group in ("team", "gone"):
        database.run("INSERT INTO oc_groups (gid) VALUES (?)", group)
        database.run("INSERT INTO oc_group_user (gid, uid) VALUES (?, ?)", group, alice)
    database.run("INSERT INTO oc_group_admin (gid, uid) VALUES (?, ?)", "team", alice)
    database.run("INSERT INTO oc_group_user (gid, uid) VALUES (?, ?)", "team", bob)
    database.run("INSERT INTO oc_account_terms (account_id, term) VALUES (1, ?)", "al")
    database.run("INSERT INTO oc_authtoken (uid, name, token) VALUES (?, 'phone', 'x')", alice)
    database.run_many(
        "INSERT INTO oc_preferences (userid, appid, configkey, configvalue) VALUES (?, ?, ?, ?)",
        [
            (alice, "core", "lostpassword", "1600000000:abc"),
            (alice, "files", "show_hidden", "1"),
            (alice, "core", "odd", "it's \\ % ? \n 😀"),
        ],
    )


def _fill_shares(
    database: SiteDatabase, alice: str, bob: str, numbers: tuple[int, int, int]
) -> None:
    large, documents, theirs = numbers
    columns = (
        "share_type, share_with, uid_owner, uid_initiator, item_type, item_source, file_source,"
        " file_target, permissions, stime, token, expiration"
    )
    rows = [
        (0, bob, alice, alice, "file", str(large), large, "/large.bin", 19, EPOCH, None, None),
        (1, "team", alice, alice, "folder", str(documents), documents, "/D", 31, EPOCH, None, None),
        (1, "gone", alice, alice, "folder", str(documents), documents, "/D", 31, EPOCH, None, None),
        (0, "nobody", alice, alice, "file", str(large), large, "/l", 19, EPOCH, None, None),
        (3, None, alice, alice, "file", str(large), large, "/l", 1, EPOCH, "tok1", None),
        (
            *(3, "$2y$hash", alice, alice, "folder", str(documents), documents, "/D", 1, EPOCH),
            *("tok2", "2020-01-01 00:00:00"),
        ),
        (6, "x@y.org", alice, alice, "file", str(large), large, "/l", 1, EPOCH, "tok3", None),
        (0, alice, bob, bob, "file", str(theirs), theirs, "/large (2).bin", 1, EPOCH, None, None),
    ]
    marks = ", ".join("?" * 12)
    database.run_many(f"INSERT INTO oc_share ({columns}) VALUES ({marks})", rows)


def _fill_marks(
    database: SiteDatabase, alice: str, bob: str, numbers: tuple[int, int, int]
) -> None:
    large, documents, theirs = numbers
    comments = [
        (0, "users", bob, "Nice 😀 'quoted' \\ \n100%", large),
        (1, "users", alice, "Thanks", large),
        (1, "users", alice, "Thanks again, in the same second", large),
        (0, "users", alice, "At the other's", theirs),
        (0, "users", bob, "Not of alice", theirs),
    ]
    for parent, kind, actor, message, file in comments:
        database.run(
            "INSERT INTO oc_comments (parent_id, topmost_parent_id, actor_type, actor_id, message,"
            " verb, creation_timestamp, object_type, object_id)"
            " VALUES (?, ?, ?, ?, ?, 'comment', ?, 'files', ?)",
            *(parent, parent, kind, actor, message, "2020-01-01 00:00:00", str(file)),
        )
    database.run(
        "INSERT INTO oc_comments_read_markers VALUES (?, '2020-01-02 00:00:00', 'files', ?)",
        *(alice, str(large)),
    )
    for tag in ("urgent", "secret"):
        number = database.run("INSERT INTO oc_systemtag (name) VALUES (?)", tag)
        database.run(
            "INSERT INTO oc_systemtag_object_mapping VALUES (?, 'files', ?)",
            *(str(documents), number),
        )
    for user, file in ((alice, documents), (bob, theirs)):
        number = database.run(
            "INSERT INTO oc_vcategory (uid, type, category) VALUES (?, 'files', ?)",
            *(user, "_$!<Favorite>!$_"),
        )
        database.run("INSERT INTO oc_vcategory_to_object VALUES (?, ?, 'files')", file, number)
    database.run(
        "INSERT INTO oc_properties (fileid, propertyname, propertyvalue) VALUES (?, ?, ?)",
        *(large, "{http://example.org}colour", "blue"),
    )


def _fill_groupware(database: SiteDatabase, alice: str, bob: str) -> None:
    for user in (alice, bob):
        principal = f"principals/users/{user}"
        calendar = database.run(
            "INSERT INTO oc_calendars (principaluri, displayname, uri, synctoken)"
            " VALUES (?, 'Personal', 'personal', 3)",
            principal,
        )
        book = database.run(
            "INSERT INTO oc_addressbooks (principaluri, displayname, uri, synctoken)"
            " VALUES (?, 'Contacts', 'contacts', 2)",
            principal,
        )
        for name in ("one", "two"):
            database.run(
                "INSERT INTO oc_calendarobjects (calendardata, uri, calendarid, etag, size)"
                " VALUES (?, ?, ?, 'e', ?)",
                *(EVENT, f"{name}.ics", calendar, len(EVENT)),
            )
        card = database.run(
            "INSERT INTO oc_cards (addressbookid, carddata, uri, etag, size)"
            " VALUES (?, ?, 'joerg.vcf', 'e', ?)",
            *(book, CARD, len(CARD)),
        )
        database.run(
            "INSERT INTO oc_cards_properties (addressbookid, cardid, name, value)"
            " VALUES (?, ?, 'FN', 'Jörg')",
            *(book, card),
        )
        if user == alice:
            database.run(
                "INSERT INTO oc_calendarsubscriptions (uri, principaluri, source)"
                " VALUES ('holidays', ?, 'https://example.org/h.ics')",
                principal,
            )
            for other in (f"principals/users/{bob}", "principals/groups/gone"):
                database.run(
                    "INSERT INTO oc_dav_shares (principaluri, type, access, resourceid)"
                    " VALUES (?, 'calendar', 2, ?)",
                    *(other, calendar),
                )

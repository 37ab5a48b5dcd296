from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ocsnap.config import OwncloudConfig
from ocsnap.errors import OwncloudError
from ocsnap.owncloud.instance import DbHost, Instance
from tests.servers.owncloud_site import Site, make_site

if TYPE_CHECKING:
    from tests.servers.owncloud_database import MysqlLogin


def discover(site: Site) -> Instance:
    return Instance.discover(OwncloudConfig(root=site.root))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost", DbHost("localhost")),
        ("db.example.org:3307", DbHost("db.example.org", port=3307)),
        (
            "localhost:/run/mysqld/mysqld.sock",
            DbHost("localhost", socket="/run/mysqld/mysqld.sock"),
        ),
        (":/run/my:sql.sock", DbHost("localhost", socket="/run/my:sql.sock")),
        ("[2001:db8::1]:3306", DbHost("2001:db8::1", port=3306)),
        ("[::1]", DbHost("::1")),
        ("::1", DbHost("::1")),
        ("127.0.0.1", DbHost("127.0.0.1")),
        ("host:", DbHost("host")),
    ],
)
def test_dbhost_in_all_its_forms(text: str, expected: DbHost):
    assert DbHost.parse(text) == expected


@pytest.mark.parametrize("text", ["host:port", "host:0", "host:65536", "host:-1", "host:²"])
def test_a_wrong_dbhost_is_named(text: str):
    with pytest.raises(OwncloudError, match="dbhost"):
        DbHost.parse(text)


def test_an_instance_with_sqlite(site: Site):
    instance = discover(site)
    status = site.config_path.stat()
    assert instance.version == "11.0.0"
    assert instance.installed_version == "11.0.0.0"
    assert instance.data_dir == site.root / "data"
    assert instance.dbtype == "sqlite3"
    assert instance.sqlite_path == site.database
    assert instance.table_prefix == "oc_"
    assert (instance.owner_uid, instance.owner_gid) == (status.st_uid, status.st_gid)
    assert instance.log_file == instance.data_dir / "owncloud.log"
    assert instance.apps_paths == (site.root / "apps",)
    assert instance.has_accounts


def test_an_instance_with_mysql_and_data_elsewhere(tmp_path: Path, mysql_login: MysqlLogin):
    site = make_site(
        tmp_path,
        dbtype="mysql",
        mysql=mysql_login,
        data_dir=tmp_path / "elsewhere" / "data",
        prefix="cloud_",
        files_per_user=2,
    )
    site.overlay(
        "site", logfile="/var/log/oc.log", dbdriveroptions={1009: "/etc/ca.pem", 1002: "SET x"}
    )
    instance = discover(site)
    assert instance.data_dir == tmp_path / "elsewhere" / "data"
    assert instance.dbtype == "mysql"
    assert instance.dbhost == DbHost("localhost", socket=str(mysql_login.socket))
    assert instance.dbname == mysql_login.name
    assert instance.dbpassword == mysql_login.password
    assert instance.db_ca_file == Path("/etc/ca.pem")
    assert instance.log_file == Path("/var/log/oc.log")
    assert instance.table_prefix == "cloud_"


def test_secrets_do_not_show(site: Site):
    site.overlay("secret", dbpassword="hunter2", dbuser="oc")
    instance = discover(site)
    assert instance.dbpassword == "hunter2"
    assert "hunter2" not in repr(instance)
    assert "pepper" not in repr(instance)


def test_a_linked_config_is_followed(site: Site, tmp_path: Path):
    elsewhere = tmp_path / "etc-config.php"
    shutil.move(site.config_path, elsewhere)
    site.config_path.symlink_to(elsewhere)
    assert discover(site).config_path == elsewhere


def test_defaults_when_config_says_nothing(site: Site):
    site.config_path.write_text("<?php $CONFIG = ['installed' => true, 'datadirectory' => ''];")
    instance = discover(site)
    assert instance.data_dir == site.root / "data"
    assert (instance.table_prefix, instance.dbtype) == ("oc_", "sqlite3")
    assert instance.installed_version == "11.0.0"


def test_an_empty_prefix_is_a_prefix(site: Site):
    site.overlay("x", dbtableprefix="")
    assert discover(site).table_prefix == ""


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"dbtype": "pgsql"}, "'pgsql'"),
        ({"dbtype": "oci"}, "'oci'"),
        ({"installed": False}, "has not been set up"),
        ({"datadirectory": "relative/data"}, "no absolute path"),
        ({"datadirectory": "/nowhere/at/all"}, "is not there"),
        ({"dbtableprefix": "oc_`; DROP"}, "dbtableprefix"),
        ({"dbhost": "db:nonsense"}, "dbhost"),
        ({"dbname": ["x"]}, "dbname: must be a string"),
    ],
)
def test_what_cannot_be_backed_up_is_refused(site: Site, settings: dict[str, object], reason: str):
    site.overlay("zz", **settings)
    with pytest.raises(OwncloudError) as caught:
        discover(site)
    assert reason in caught.value.message


def test_a_data_directory_without_its_mark_is_refused(site: Site):
    (site.data_dir / ".ocdata").unlink()
    with pytest.raises(OwncloudError, match=r"has no \.ocdata") as caught:
        discover(site)
    assert "mounted" in caught.value.hint


def test_a_folder_that_is_no_owncloud_is_refused(tmp_path: Path):
    with pytest.raises(OwncloudError, match="is no ownCloud"):
        Instance.discover(OwncloudConfig(root=tmp_path))


def test_a_nextcloud_is_refused(site: Site):
    code = site.root / "version.php"
    code.write_text(code.read_text().replace("'owncloud'", "'nextcloud'"))
    with pytest.raises(OwncloudError, match="Nextcloud"):
        discover(site)


def test_a_version_file_without_a_version_is_refused(site: Site):
    (site.root / "version.php").write_text("<?php\n")
    with pytest.raises(OwncloudError, match="says no version"):
        discover(site)


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone can give files away")
def test_the_owner_of_config_is_known(public_folder: Path):
    site = make_site(public_folder, files_per_user=1, owner=(33, 33))
    instance = discover(site)
    assert (instance.owner_uid, instance.owner_gid) == (33, 33)

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.commands.host import make_host

if TYPE_CHECKING:
    from pathlib import Path


def test_a_home_that_is_gone_while_its_user_is_not_is_told(tmp_path: Path) -> None:
    """As when the disk with some of the homes was not mounted."""
    host = make_host(tmp_path)
    host.backup()
    home = host.site.homes["bob"]
    home.rename(tmp_path / "unmounted")
    report = host.backup()
    assert report.statistics.errors == 1
    assert report.statistics.deleted_files > 1
    (tmp_path / "unmounted").rename(home)
    assert host.backup().statistics.errors == 0


def test_a_home_that_goes_with_its_user_is_no_error(tmp_path: Path) -> None:
    host = make_host(tmp_path)
    host.backup()
    host.site.homes["bob"].rename(tmp_path / "archived")
    with host.site.connected() as database:
        database.run("DELETE FROM oc_accounts WHERE user_id = ?", "bob")
        database.run("DELETE FROM oc_users WHERE uid = ?", "bob")
    report = host.backup()
    assert report.statistics.errors == 0
    assert report.statistics.deleted_files > 1

"""The web server's user gets no code of his run by root."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ocsnap.config import OwncloudConfig
from ocsnap.errors import OwncloudError
from ocsnap.owncloud.instance import Instance
from ocsnap.owncloud.occ import Occ
from tests.owncloud.conftest import Parts
from tests.servers.owncloud_site import Site, make_site

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = (65534, 65534)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be led astray so")


def taken_over(folder: Path, marker: Path) -> Site:
    """Make the ownCloud of a user who has put a link to a file of root's in place of config.php."""
    site = make_site(folder, files_per_user=1, owner=NOBODY)
    sample = site.config_path.with_name("config.sample.php")
    site.config_path.rename(sample)
    os.chown(sample, 0, 0)
    site.config_path.symlink_to(sample)
    overlay = site.config_path.with_name("evil.config.php")
    overlay.write_text(f"<?php file_put_contents('{marker}', posix_geteuid()); $CONFIG = [];")
    os.chown(overlay, *NOBODY)
    return site


def test_a_link_to_a_file_of_root_s_makes_no_code_run_as_root(tmp_path: Path):
    tmp_path.chmod(0o711)
    marker = tmp_path / "marker"
    site = taken_over(tmp_path / "oc", marker)
    with pytest.raises(OwncloudError, match="another user can change"):
        Instance.discover(OwncloudConfig(root=site.root))
    assert not marker.exists()


def test_occ_that_another_user_can_change_does_not_run_as_root(tmp_path: Path):
    parts = Parts.of(make_site(tmp_path / "oc", files_per_user=1))
    os.chown(parts.site.root / "occ", *NOBODY)
    with pytest.raises(OwncloudError, match="occ: would run as root") as caught:
        Occ.of(parts.instance, OwncloudConfig(root=parts.site.root))
    assert "web server" in caught.value.hint


def test_a_folder_that_a_group_can_write_to_counts_too(tmp_path: Path):
    site = make_site(tmp_path / "oc", files_per_user=1)
    site.config_path.parent.chmod(0o770)
    with pytest.raises(OwncloudError, match="another user can change"):
        Instance.discover(OwncloudConfig(root=site.root))

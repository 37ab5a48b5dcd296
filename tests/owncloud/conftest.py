"""A small ownCloud of its own for each test, and the parts of ocsnap that look at it."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ocsnap.config import OwncloudConfig
from ocsnap.owncloud.instance import Instance
from ocsnap.owncloud.occ import Occ
from tests.servers.owncloud_site import Site, make_site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.mariadb import DatabaseServer
    from tests.servers.owncloud_database import MysqlLogin


@dataclass(frozen=True)
class Parts:
    site: Site
    config: OwncloudConfig
    instance: Instance
    occ: Occ

    @classmethod
    def of(cls, site: Site, occ: tuple[str, ...] | None = None) -> Parts:
        config = OwncloudConfig(root=site.root, occ=occ)
        instance = Instance.discover(config)
        return cls(site, config, instance, Occ.of(instance, config))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path, files_per_user=8, large_bytes=5000)


@pytest.fixture
def parts(site: Site) -> Parts:
    return Parts.of(site)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that other users can reach, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="ocsnap-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def mysql_login(mariadb: DatabaseServer) -> MysqlLogin:
    return mariadb.login(mariadb.new_database())

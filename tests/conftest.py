"""Real servers, one of each for a whole test session, each in a folder of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.mariadb import DatabaseServer
    from tests.servers.s3 import S3Server

# A machine under load is slow, and that is no failure of what is tested.
settings.register_profile("ocsnap", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ocsnap")


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    from tests.servers.mariadb import running_mariadb

    with running_mariadb(tmp_path_factory.mktemp("mariadb")) as server:
        yield server


@pytest.fixture(scope="session")
def old_mysql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    from tests.servers.old_mysql import running_old_mysql

    with running_old_mysql(tmp_path_factory.mktemp("old-mysql")) as server:
        yield server


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    from tests.servers.s3 import running_s3

    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def conditional_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    from tests.servers.conditional_s3 import running_conditional_s3

    with running_conditional_s3(tmp_path_factory.mktemp("conditional-s3")) as server:
        yield server

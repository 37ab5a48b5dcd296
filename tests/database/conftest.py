"""Every test of the MySQL side runs on both servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.servers.database_server import DatabaseServer


@pytest.fixture(scope="session", params=["mariadb", "old_mysql"])
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    running: DatabaseServer = request.getfixturevalue(request.param)
    return running

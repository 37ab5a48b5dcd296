"""Over a network the connection is as safe as the server can make it, and no safer than asked."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from ocsnap.database.mysql import connection as connections
from ocsnap.errors import DatabaseError
from tests.database.dumps import opened
from tests.servers.mariadb import running_mariadb
from tests.servers.old_mysql import running_old_mysql

if TYPE_CHECKING:
    from pathlib import Path

    from ocsnap.database.settings import DatabaseSettings
    from tests.servers.database_server import DatabaseServer


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for 127.0.0.1, signed by itself, with its key beside it."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", path.with_suffix(".key"), "-out", path),
        ],
        check=True,
        capture_output=True,
    )
    # Old servers read a key in the old notation only.
    subprocess.run(
        ["openssl", "rsa", "-traditional", "-in", path.with_suffix(".key"), "-out",
         path.with_suffix(".old-key")],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return path


@pytest.fixture(autouse=True)
def _far_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat 127.0.0.1 as a host in the network: TLS is not used on loopback."""
    monkeypatch.setattr(connections, "_is_loopback", lambda _: False)


def _options(certificate: Path) -> list[str]:
    return [f"--ssl-cert={certificate}", f"--ssl-key={certificate.with_suffix('.old-key')}"]


def _remote(server: DatabaseServer, **changes: object) -> DatabaseSettings:
    return server.settings("mysql", socket=None, host="127.0.0.1", port=server.port, **changes)


def _cipher(settings: DatabaseSettings) -> str:
    return str(opened(settings).query("SHOW STATUS LIKE 'Ssl_cipher'")[0][1])


def test_tls_where_the_server_has_it(certificate: Path, tmp_path: Path) -> None:
    with running_mariadb(tmp_path, _options(certificate)) as server:
        assert _cipher(_remote(server)) != ""
        assert _cipher(_remote(server, allow_old_tls=True)) != ""
        assert _cipher(_remote(server, tls_ca=certificate)) != ""
        assert _cipher(server.settings("mysql")) == ""
        other = tmp_path / "other.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x",
             "-keyout", tmp_path / "x", "-out", other],
            check=True, capture_output=True,
        )  # fmt: skip
        with pytest.raises(DatabaseError, match="is not signed by a trusted one"):
            _cipher(_remote(server, tls_ca=other))


def test_none_where_the_server_has_none(server: DatabaseServer, certificate: Path) -> None:
    assert _cipher(_remote(server)) == ""
    assert _cipher(_remote(server, allow_old_tls=True)) == ""
    with pytest.raises(DatabaseError, match="SSL is required"):
        _cipher(_remote(server, tls_ca=certificate))


def test_old_tls_is_refused_with_the_key_that_allows_it(certificate: Path, tmp_path: Path) -> None:
    with running_old_mysql(tmp_path, _options(certificate)) as server:
        with pytest.raises(DatabaseError, match="No TLS connection") as failure:
            _cipher(_remote(server))
        assert "allow_old_tls = true" in failure.value.hint

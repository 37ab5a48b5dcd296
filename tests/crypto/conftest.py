from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.crypto.keyring import Keyring, keyring

if TYPE_CHECKING:
    from collections.abc import Iterator


class Hosts(NamedTuple):
    """The admin's machine with all secret keys, and the server with what it needs to write.

    Attributes:
        admin: has everything.
        server: has the public key of the backups and the secret one that signs.
        backup: fingerprint of the key that backups are locked with.
        signer: fingerprint of the server's own key.
    """

    admin: Keyring
    server: Keyring
    backup: str
    signer: str


@pytest.fixture(scope="session")
def ring() -> Iterator[Keyring]:
    """Return a folder without keys."""
    with keyring() as made:
        yield made


@pytest.fixture(scope="session")
def hosts() -> Iterator[Hosts]:
    with keyring() as admin, keyring() as server:
        backup = admin.make_key("backup")
        admin.give(server, backup)
        signer = server.make_key("server", usage="sign")
        server.give(admin, signer)
        yield Hosts(admin, server, backup, signer)

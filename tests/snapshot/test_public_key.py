"""A server that can write backups and read none."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest

from ocsnap.errors import NoSecretKeyError
from ocsnap.monitor import SilentMonitor
from tests.crypto.keyring import keyring
from tests.repository.workshop import Workshop
from tests.snapshot.likeness import differences, portrait
from tests.snapshot.studio import Studio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ocsnap.crypto.gpg import Gpg

LARGE_BYTES = 2_000_000


class Ciphers(NamedTuple):
    """What the two machines hold."""

    server: Gpg
    admin: Gpg
    stranger: Gpg


@pytest.fixture(scope="module")
def ciphers() -> Iterator[Ciphers]:
    with keyring() as admin, keyring() as server:
        backup = admin.make_key("backup")
        admin.give(server, backup)
        signer = server.make_key("server", usage="sign")
        server.give(admin, signer, secret=True)
        yield Ciphers(
            server.cipher(recipients=(backup,), sign_with=signer),
            admin.cipher(recipients=(backup,), sign_with=signer),
            server.cipher(recipients=(backup,)),
        )


@pytest.fixture
def server(tmp_path: Path, ciphers: Ciphers) -> Studio:
    return Studio(Workshop(tmp_path / "server", cipher=ciphers.server))


@pytest.fixture
def admin(tmp_path: Path, ciphers: Ciphers, server: Studio) -> Studio:
    return Studio(Workshop(tmp_path / "admin", server.workshop.storage, ciphers.admin))


def fill(folder: Path) -> None:
    (folder / "inside").mkdir()
    (folder / "inside" / "large").write_bytes(random.Random(1).randbytes(LARGE_BYTES))
    (folder / "small").write_bytes(b"a few words")


def edit(folder: Path) -> None:
    with (folder / "inside" / "large").open("r+b") as file:
        file.seek(1000)
        file.write(b"an edit")


def assert_admin_gets(admin: Studio, folder: Path, target: Path) -> None:
    with admin.synchronised() as repository:
        latest = repository.snapshots(SilentMonitor())[-1]
    assert admin.restore(latest, target).failed == []
    assert differences(portrait(folder), portrait(target)) == []
    assert admin.check(read_data=True).sound


def test_later_backups_store_deltas_although_nothing_can_be_read(
    server: Studio, admin: Studio, folder: Path, tmp_path: Path
):
    fill(folder)
    first = server.backup(folder)
    assert server.backup(folder).objects_put == 1
    edit(folder)
    backup = server.backup(folder)
    assert backup.stored.snapshot.parent != first.stored.id
    assert backup.statistics.files_read == 1
    assert backup.statistics.changed_delta_bytes < 10_000
    assert_admin_gets(admin, folder, tmp_path / "target")
    with pytest.raises(NoSecretKeyError):
        server.restore(backup.stored, tmp_path / "on the server")


def test_a_server_without_its_cache_goes_on_and_says_what_it_costs(
    server: Studio, admin: Studio, folder: Path, tmp_path: Path
):
    fill(folder)
    server.backup(folder)
    shutil.rmtree(server.workshop.state_dir)
    edit(folder)
    backup = server.backup(folder)
    assert backup.stored.snapshot.parent is None
    assert backup.statistics.errors == 0
    assert backup.statistics.raw_delta_bytes == LARGE_BYTES + len(b"a few words")
    assert any("may be stored once more" in note for note in backup.monitor.notes)
    assert any("needs the secret key" in note for note in backup.monitor.notes)
    assert server.backup(folder).objects_put == 1
    assert_admin_gets(admin, folder, tmp_path / "target")
    with admin.synchronised() as repository:
        assert len(repository.snapshots(SilentMonitor())) == 3


def test_a_server_checks_what_it_can(server: Studio, folder: Path):
    fill(folder)
    server.backup(folder)
    report = server.check(read_data=False)
    assert report.sound
    report = server.check(read_data=True)
    assert report.sound
    assert report.locked == 4
    objects = server.workshop.storage.objects
    name = next(name for name in objects if name.startswith("packs/"))
    objects[name] = objects[name][:-1] + bytes([objects[name][-1] ^ 1])
    for read_data in (False, True):
        report = server.check(read_data=read_data)
        assert [damage.name for damage in report.damages] == [name]
        assert len(report.files) == 2


def test_a_snapshot_without_the_server_s_signature_is_refused(
    server: Studio, admin: Studio, folder: Path, ciphers: Ciphers
):
    fill(folder)
    backup = server.backup(folder)
    forger = Studio(Workshop(server.workshop.folder, server.workshop.storage, ciphers.stranger))
    forger.clock.sleep(100)
    forged = forger.backup(folder)
    monitor = SilentMonitor()
    with admin.synchronised() as repository:
        assert repository.snapshots(monitor) == [backup.stored]
    (problem,) = monitor.problems
    assert problem.subject == forged.stored.name
    assert "not signed" in problem.reason
    report = admin.check(read_data=True)
    assert [damage.name for damage in report.damages] == [forged.stored.name]

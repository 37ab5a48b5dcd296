"""What must hold after a run was killed, wherever it was."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

from ocsnap.commands.context import connect
from ocsnap.repository.pack import read_trailer
from tests.kills.victim import prune_most
from tests.owncloud.guardians import guardian_pids, wait_until

if TYPE_CHECKING:
    from tests.commands.host import Host

_inside: dict[str, list[bytes]] = {}
"""The blobs of each pack that was looked into; a pack of that name never has others."""


def lease_exists(host: Host) -> bool:
    """Return whether somebody holds, or held, the ownCloud in maintenance."""
    return (host.folder / "state" / "maintenance.lease").exists()


def is_frozen(host: Host) -> bool:
    """Ask config.php itself."""
    return b"'maintenance' => true" in host.site.config_path.read_bytes()


def assert_lifted(host: Host) -> None:
    """The guardian has let users in again; without one, nobody had locked them out."""
    wait_until(lambda: not guardian_pids(host.folder / "state"))
    assert not is_frozen(host)


def assert_snapshots_are_sound(host: Host) -> None:
    """Every snapshot that was there can be restored, and the storage has what this host knows."""
    report = host.verify()
    assert report.sound, (report.damages, report.files)


def assert_nothing_is_stored_twice(host: Host) -> None:
    """No blob is in two packs: what a killed run stored, the next one did not send again."""
    seen: Counter[bytes] = Counter()
    with closing(connect(host.context()).repository) as repository:
        for folder in ("packs/", "meta/"):
            for info in repository.storage.list(folder):
                if info.name not in _inside:
                    trailer = read_trailer(repository.reader.decrypted(info.name), name=info.name)
                    _inside[info.name] = [packed.blob for packed in trailer]
                seen.update(_inside[info.name])
    assert [blob.hex() for blob, times in seen.items() if times > 1] == []
    assert seen


def assert_no_garbage(host: Host) -> None:
    """One prune removes everything that no snapshot needs, and leaves the rest sound."""
    prune_most(host)
    with closing(connect(host.context()).repository) as repository:
        known = {name for name, _, _ in repository.cache.expected()}
        there = {info.name for info in repository.storage.list()}
    strangers = {name for name in there - known if name.endswith(".gpg")}
    assert strangers == set(), "prune has left what nobody knows"
    assert known <= there
    again = prune_most(host)
    assert (again.removed_packs, again.marked_packs, again.waiting_packs) == (0, 0, 0)
    assert_snapshots_are_sound(host)
    assert_nothing_is_stored_twice(host)


def assert_nobody_suffers(host: Host) -> None:
    """What a killed prune has removed this host may still look for, but no snapshot needs it."""
    report = host.verify()
    assert report.files == {}
    assert {damage.reason for damage in report.damages} <= {"it is missing"}


def assert_recovers(host: Host) -> None:
    """The next backup succeeds, with no manual step, and has everything."""
    host.backup()
    assert not is_frozen(host)
    assert not lease_exists(host)
    found = host.differences()
    assert found == [], found
    assert_snapshots_are_sound(host)

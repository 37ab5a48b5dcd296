"""Runs that are killed: each in a process of its own, which is forked to save time."""

from __future__ import annotations

import functools
import importlib
import multiprocessing
import os
import secrets
import signal
import threading
from typing import TYPE_CHECKING

import ocsnap.repository.writer
from ocsnap.commands.prune.prune import prune
from ocsnap.commands.restore.layout import Part
from ocsnap.commands.restore.report import RestoreOptions
from ocsnap.commands.restore.restore import restore
from ocsnap.config.sections import PruneConfig
from ocsnap.repository.blob import BlobKind
from tests.commands.host import FREEZING, ActingMonitor, Host

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import ForkServerProcess

    from ocsnap.repository.prune_report import PruneReport
    from tests.kills.points import Point

PACK_BYTES = {BlobKind.CONTENT: 100_000, BlobKind.META: 8_000}
"""Small packs, so that a small ownCloud makes many of them."""

LONGEST_SECONDS = 120

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__])


def small_packs() -> None:
    """Let this process make small packs from now on."""
    ocsnap.repository.writer._TARGETS.update(PACK_BYTES)


def restore_all(host: Host) -> None:
    """Restore the latest snapshot in place."""
    parts = frozenset({Part.CONFIG, Part.DATA, Part.DATABASE})
    outcome = restore(host.context(), RestoreOptions(parts=parts), lambda _: True)
    assert not outcome.failed


def killed_at(point: Point, host: Host, run: Callable[[Host], object]) -> bool:
    """Let a run die at a point; return whether it came there."""
    process = _begun(_die_at, point, host, run)
    return _buried(process, host)


def killed_after(seconds: float, host: Host, run: Callable[[Host], object]) -> bool:
    """Let a run die some time after its beginning; return whether it still ran."""
    process = _begun(_run, host, run)
    process.join(seconds)
    if process.pid is not None and process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
    return _buried(process, host)


def _begun(target: Callable[..., None], *arguments: object) -> ForkServerProcess:
    for host in arguments:
        if isinstance(host, Host):
            host.monitor = ActingMonitor()  # what the latest one did cannot be handed on
    process = _processes.Process(target=target, args=arguments)
    process.start()
    return process


def _buried(process: ForkServerProcess, host: Host) -> bool:
    process.join(LONGEST_SECONDS)
    host.clock.sleep(60)  # the other's clock was ahead: it waited where ours does not
    status = process.exitcode
    process.close()
    assert status in {0, -signal.SIGKILL}, status
    return status == -signal.SIGKILL


def _run(host: Host, run: Callable[[Host], object]) -> None:
    small_packs()
    # The host is a copy of the parent's: without this both would hand out the same etags.
    host.random.seed(secrets.token_bytes(16))
    run(host)


def _die_at(point: Point, host: Host, run: Callable[[Host], object]) -> None:
    place, name = place_of(point)
    setattr(place, name, _deadly(getattr(place, name), point))
    _run(host, run)


def place_of(point: Point) -> tuple[object, str]:
    """Return the module or class that has the function of a point, and the function's name."""
    module, _, path = point.function.partition(":")
    *holders, name = path.split(".")
    place: object = importlib.import_module(module)
    for holder in holders:
        place = getattr(place, holder)
    return place, name


def _deadly(function: Callable[..., object], point: Point) -> Callable[..., object]:
    calls = 0
    lock = threading.Lock()

    @functools.wraps(function)
    def deadly(*arguments: object, **options: object) -> object:
        nonlocal calls
        with lock:
            calls += 1
            last = calls == point.call
        if last and point.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments, **options)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return deadly


def prune_most(host: Host) -> PruneReport:
    """Remove all snapshots but two, and at once what they alone needed."""
    return prune(host.context(), PruneConfig(keep_last=2, grace_hours=0, repack_above=0.1))


def work(host: Host) -> None:
    """Let users upload what nothing in the repository is like."""
    for user, size_bytes in (("alice", 150_000), ("bob", 160_000)):
        name = f"files/Documents/{secrets.token_hex(4)}"
        # Users do not die with the backup: a file of theirs never lies there with the old etag.
        with host.acting(user) as changes:
            changes._told("uploads into", "files/Documents")
        (host.site.homes[user] / name).write_bytes(secrets.token_bytes(size_bytes))
        with host.acting(user) as changes:
            changes._told("uploaded", name)


def shrink(host: Host) -> None:
    """Let a user delete good half of what was uploaded: packs become sparse."""
    folder = host.site.homes["alice"] / "files" / "Documents"
    for file in sorted(folder.iterdir())[::2]:
        if file.is_file():
            file.unlink()
    with host.acting("alice") as changes:
        changes._told("deleted", "files/Documents")


def backup(host: Host) -> None:
    """Make a backup while users go on uploading, so that the window too has something to store."""
    host.backup(acts={FREEZING: lambda: work(host)})

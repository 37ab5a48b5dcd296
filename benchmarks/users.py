"""Users who keep working through an ownCloud, and remember what they did and when.

Like PHP's workers they look at config.php only every two seconds (the opcode cache's
`revalidate_freq`): they go on for a while after maintenance was turned on, and finish what they
have begun. Uploads hold a lock in oc_file_locks while they last.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.servers.owncloud_filecache import Filecache

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.owncloud_site import Site

OPCACHE_SECONDS = 2.0
COVERED = ("files", "files_versions", "files_trashbin")
_PAUSE_SECONDS = 0.05
_LOCK_SECONDS = 3600


class Seen(NamedTuple):
    """One file: what must come back.

    Attributes:
        content: its SHA-256.
        mtime: seconds since the epoch.
    """

    content: str
    mtime: int


class Act(NamedTuple):
    """One thing that a user did.

    Attributes:
        began: by the monotonic clock.
        ended: by the monotonic clock.
        what: in words.
    """

    began: float
    ended: float
    what: str


def look(home: Path) -> dict[str, Seen]:
    """Return all files of a home that its etag covers, by their paths in it."""
    found = {}
    for name in COVERED:
        for folder, _, files in os.walk(home / name):
            for file in files:
                path = Path(folder, file)
                if path.suffix != ".part":
                    found[str(path.relative_to(home))] = _see(path)
    return found


def _see(path: Path) -> Seen:
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    return Seen(content, int(path.stat().st_mtime))


def is_frozen(site: Site) -> bool:
    """Return what config.php says; while it is being written, what it said before is not known."""
    return bool(re.search(r"'maintenance' => true", site.config_path.read_text()))


class User(threading.Thread):
    """One user at work.

    Attributes:
        files: what is in the home now.
        frozen_files: what was in it when this user was locked out for the last time.
        acts: all that was done.
    """

    def __init__(self, site: Site, name: str, files: dict[str, Seen]) -> None:
        """Prepare; `start` begins the work."""
        super().__init__(name=name, daemon=True)
        self.files = files
        self.frozen_files: dict[str, Seen] = {}
        self.acts: list[Act] = []
        self.failure: BaseException | None = None
        self._site = site
        self._home = site.homes[name]
        self._rng = random.Random(f"user {name}")
        self._ended = threading.Event()
        self._frozen = False
        self._looked_at = 0.0
        self._names = sorted(path for path in files if path.startswith("files/"))

    def run(self) -> None:
        """Do one thing after the other."""
        acts = [self._upload, self._upload, self._overwrite, self._overwrite_unseen]
        acts += [self._delete, self._rename]
        try:
            while not self._ended.wait(_PAUSE_SECONDS):
                if self._is_locked_out():
                    continue
                began = time.monotonic()
                what = self._rng.choice(acts)()
                self.acts.append(Act(began, time.monotonic(), what))
        except BaseException as error:  # the main thread tells it
            self.failure = error
            raise

    def stop(self) -> None:
        """End the work, and raise what went wrong in it."""
        self._ended.set()
        self.join()
        if self.failure is not None:
            raise self.failure

    def _is_locked_out(self) -> bool:
        if time.monotonic() - self._looked_at >= OPCACHE_SECONDS:
            self._looked_at = time.monotonic()
            frozen = is_frozen(self._site)
            if frozen and not self._frozen:
                self.frozen_files = dict(self.files)
            self._frozen = frozen
        return self._frozen

    # -- what they do ------------------------------------------------------------------------

    def _upload(self) -> str:
        path = f"files/Documents/new {self._rng.getrandbits(48):012x}.bin"
        self._put(path, int(self._rng.expovariate(1 / 30_000)) + 1)
        self._names.append(path)
        return f"uploaded {path}"

    def _overwrite(self) -> str:
        path = self._rng.choice(self._names)
        version = self._keep_version(path)
        self._put(path, int(self._rng.expovariate(1 / 10_000)) + 1, version)
        return f"overwrote {path}"

    def _overwrite_unseen(self) -> str:
        path = self._rng.choice(self._names)
        status = (self._home / path).stat()
        version = self._keep_version(path)
        self._put(path, status.st_size, version, mtime=int(status.st_mtime))
        return f"overwrote {path} under the same size and time"

    def _delete(self) -> str:
        path = self._names.pop(self._rng.randrange(len(self._names)))
        target = f"files_trashbin/files/{Path(path).name}.d{self._rng.getrandbits(32)}"
        self._move(path, target)
        return f"deleted {path}"

    def _rename(self) -> str:
        number = self._rng.randrange(len(self._names))
        path = self._names[number]
        self._names[number] = f"files/Photos/renamed {self._rng.getrandbits(48):012x}"
        self._move(path, self._names[number])
        return f"renamed {path}"

    def _put(
        self, path: str, size_bytes: int, also: str | None = None, *, mtime: int | None = None
    ) -> None:
        """Upload; one upload of ten comes over a slow line."""
        target = self._home / path
        part = target.with_name(f"{target.name[:40]}.ocTransferId{self._rng.getrandbits(30)}.part")
        seconds = self._rng.choice([0.0] * 9 + [0.7])
        with self._locked(path):
            with part.open("wb") as file:
                file.write(self._rng.randbytes(size_bytes // 2))
                file.flush()
                time.sleep(seconds)
                file.write(self._rng.randbytes(size_bytes - size_bytes // 2))
            if mtime is not None:
                os.utime(part, (mtime, mtime))
            part.replace(target)
            # The disk first, the database a moment later: that is how ownCloud does it.
            time.sleep(seconds / 3)
            self._tell(path, also, keep_etag=mtime is not None)

    def _keep_version(self, path: str) -> str:
        source = self._home / path
        name = f"{path.removeprefix('files/')}.v{self._rng.getrandbits(32)}"
        version = f"files_versions/{name}"
        (self._home / version).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, self._home / version)
        return version

    def _move(self, path: str, target: str) -> None:
        (self._home / path).rename(self._home / target)
        with self._filecache() as (filecache, storage):
            filecache.moved(storage, path, target)
        self.files[target] = self.files.pop(path)

    def _tell(self, path: str, also: str | None, *, keep_etag: bool) -> None:
        """Let the database know, all at once, of one or two files."""
        with self._filecache() as (filecache, storage):
            if also is not None:
                filecache.changed(storage, self._home, also)
                self.files[also] = _see(self._home / also)
            filecache.changed(storage, self._home, path, keep_etag=keep_etag)
        self.files[path] = _see(self._home / path)

    @contextmanager
    def _filecache(self) -> Iterator[tuple[Filecache, int]]:
        with self._site.connected() as database:
            filecache = Filecache(database, self._rng)
            yield filecache, filecache.storage(f"home::{self.name}")

    @contextmanager
    def _locked(self, path: str) -> Iterator[None]:
        """Hold the lock of an upload, as lib/private/Files/Storage/Common.php names it."""
        storage = f"home::{self.name}::{path}".encode()
        key = f"files/{hashlib.md5(storage, usedforsecurity=False).hexdigest()}"
        until = int(time.time()) + _LOCK_SECONDS
        with self._site.connected() as database:
            database.run(
                "INSERT INTO oc_file_locks (`lock`, `key`, ttl) VALUES (-1, ?, ?)", key, until
            )
        yield
        with self._site.connected() as database:
            database.run("DELETE FROM oc_file_locks WHERE `key` = ?", key)

"""What users do, on the disk and in the database alike, with etags as ownCloud gives them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tests.servers.owncloud_tree import EPOCH, content, write

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    from tests.servers.owncloud_database import SiteDatabase
    from tests.servers.owncloud_filecache import Filecache

_MEAN_BYTES = 3000
_FIRST_CHANGE = EPOCH + 150_000_000


class Changes:
    """Chooses users, files and acts; paths are relative to the home, as in oc_filecache."""

    def __init__(
        self,
        homes: Mapping[str, Path],
        database: SiteDatabase,
        filecache: Filecache,
        rng: random.Random,
    ) -> None:
        self._homes = homes
        self._database = database
        self._filecache = filecache
        self._rng = rng
        self._user = ""
        self._home = Path()
        self._storage = 0
        self._acts: list[Callable[[], str]] = [
            self.upload,
            self.overwrite,
            self.overwrite_unseen,
            self.edit_inside,
            self.rename,
            self.move,
            self.copy,
            self.make_folder,
            self.delete,
            self.restore_from_trash,
            self.restore_version,
            self.expire_version,
            self.empty_trash,
            self.preview,
            self.avatar,
            self.write_past_owncloud,
        ]

    def one(self) -> str:
        """Let one user do one thing; return a line about it."""
        user = self._rng.choice(sorted(self._homes))
        act = self._rng.choice(self._acts)
        self.act_as(user)
        return f"{user}: {act()}"

    def act_as(self, user: str) -> None:
        """Choose the user of the acts that follow."""
        self._user, self._home = user, self._homes[user]
        self._storage = self._filecache.storage(f"home::{user}")

    def upload(self) -> str:
        """Upload a new file."""
        path = f"{self._folder()}/new {self._rng.getrandbits(32):08x}.txt"
        write(self._home / path, content(self._rng, _MEAN_BYTES), self._now())
        return self._told("uploaded", path)

    def overwrite(self) -> str:
        """Upload other content over a file; the old one becomes a version."""
        path = self._file()
        self._keep_version(path)
        write(self._home / path, content(self._rng, _MEAN_BYTES), self._now())
        return self._told("overwrote", path)

    def overwrite_unseen(self) -> str:
        """Overwrite under the same size and mtime: only inode and ctime tell, the etag stays."""
        path = self._file()
        old = (self._home / path).stat()
        self._keep_version(path)
        write(self._home / path, self._rng.randbytes(old.st_size), int(old.st_mtime))
        self._filecache.changed(self._storage, self._home, path, keep_etag=True)
        return f"overwrote {path} under the same size and time"

    def edit_inside(self) -> str:
        """Change a few bytes in the largest file, insert some, and upload the result."""
        path = max(self._files(), key=lambda name: ((self._home / name).stat().st_size, name))
        data = bytearray((self._home / path).read_bytes())
        place = self._rng.randrange(len(data) + 1)
        data[place : place + 100] = self._rng.randbytes(130)
        self._keep_version(path)
        write(self._home / path, bytes(data), self._now())
        return self._told("edited", path)

    def rename(self) -> str:
        """Rename a file in its folder."""
        path = self._file()
        return self._move(
            path, f"{path.rpartition('/')[0]}/renamed {self._rng.getrandbits(32):08x}"
        )

    def move(self) -> str:
        """Move a file into another folder."""
        path = self._file()
        return self._move(
            path, f"{self._folder()}/{self._rng.getrandbits(16):04x} {Path(path).name}"
        )

    def copy(self) -> str:
        """Copy a file."""
        path = self._file()
        target = f"{self._folder()}/copy {self._rng.getrandbits(32):08x} of {Path(path).name[:100]}"
        write(self._home / target, (self._home / path).read_bytes(), self._now())
        return self._told(f"copied {path} to", target)

    def make_folder(self) -> str:
        """Make an empty folder."""
        path = f"{self._folder()}/folder {self._rng.getrandbits(32):08x}"
        (self._home / path).mkdir()
        return self._told("made", path)

    def delete(self) -> str:
        """Delete a file into the trash."""
        path, when = self._file(), self._now()
        target = f"files_trashbin/files/{Path(path).name}.d{when}"
        location = str(Path(path).parent.relative_to("files"))
        self._relocate(path, target)
        self._database.run(
            "INSERT INTO oc_files_trash (id, user, timestamp, location) VALUES (?, ?, ?, ?)",
            *(Path(path).name, self._user, str(when), location),
        )
        return f"deleted {path}"

    def restore_from_trash(self) -> str:
        """Get a file back out of the trash."""
        rows = self._database.rows(
            "SELECT auto_id, id, timestamp, location FROM oc_files_trash WHERE user = ?"
            " ORDER BY auto_id",
            self._user,
        )
        if not rows:
            return self.delete()
        number, name, when, location = self._rng.choice(rows)
        target = os.path.normpath(f"files/{location}/{name} (restored {number})")
        (self._home / target).parent.mkdir(parents=True, exist_ok=True)
        self._filecache.changed(self._storage, self._home, str(Path(target).parent))
        self._relocate(f"files_trashbin/files/{name}.d{when}", target)
        self._filecache.clear_checksum(self._storage, target)
        self._database.run("DELETE FROM oc_files_trash WHERE auto_id = ?", number)
        return f"restored {target}"

    def restore_version(self) -> str:
        """Bring back an older version: the same inode is rewritten in place."""
        versions = [
            (version, path)
            for version in self._files("files_versions")
            if (self._home / (path := _versioned(version))).is_file()
        ]
        if not versions:
            return self.overwrite()
        version, path = self._rng.choice(versions)
        data = (self._home / version).read_bytes()
        self._keep_version(path)
        (self._home / path).write_bytes(data)
        os.utime(self._home / path, (self._now(),) * 2)
        self._filecache.changed(self._storage, self._home, path)
        self._filecache.clear_checksum(self._storage, path)
        return f"restored {version}"

    def expire_version(self) -> str:
        """Drop a version, as the background job does."""
        versions = self._files("files_versions")
        if not versions:
            return self.overwrite()
        path = self._rng.choice(versions)
        (self._home / path).unlink()
        return self._told("expired", path)

    def empty_trash(self) -> str:
        """Delete all that is in the trash for good."""
        shutil.rmtree(self._home / "files_trashbin" / "files")
        self._filecache.changed(self._storage, self._home, "files_trashbin/files")
        (self._home / "files_trashbin" / "files").mkdir()
        self._filecache.changed(self._storage, self._home, "files_trashbin/files")
        self._database.run("DELETE FROM oc_files_trash WHERE user = ?", self._user)
        return "emptied the trash"

    def preview(self) -> str:
        """Look at a picture: a thumbnail is made, and no etag changes."""
        number = self._filecache.file_id(self._storage, self._file())
        path = f"thumbnails/{number}/32-32.png"
        if not (self._home / path).exists():
            write(self._home / path, self._rng.randbytes(200), self._now())
        self._filecache.added_quietly(self._storage, self._home, path)
        return f"got the preview {path}"

    def avatar(self) -> str:
        """Choose an avatar: it lies beside the homes, and no home's etag changes."""
        avatars = sorted((self._home.parent / "avatars").rglob("avatar.png"))
        chosen = self._rng.choice(avatars)
        write(chosen, self._rng.randbytes(500), self._now())
        return "changed an avatar"

    def write_past_owncloud(self) -> str:
        """Write straight to the disk: the database knows nothing of it."""
        path = self._file()
        with (self._home / path).open("ab") as file:
            file.write(b"written past ownCloud")
        return f"appended to {path} past ownCloud"

    def _told(self, what: str, path: str) -> str:
        self._filecache.changed(self._storage, self._home, path)
        return f"{what} {path}"

    def _move(self, path: str, target: str) -> str:
        self._relocate(path, target)
        return f"moved {path} to {target}"

    def _relocate(self, path: str, target: str) -> None:
        (self._home / path).rename(self._home / target)
        self._filecache.moved(self._storage, path, target)

    def _keep_version(self, path: str) -> None:
        """Keep what is there as a version, named after its time."""
        source = self._home / path
        stamp = int(source.stat().st_mtime)
        version = f"files_versions/{path.removeprefix('files/')}.v{stamp}"
        (self._home / version).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, self._home / version)
        self._filecache.changed(self._storage, self._home, version)

    def _file(self) -> str:
        files = self._files()
        if files:
            return self._rng.choice(files)
        self.upload()
        return self._files()[0]

    def _files(self, below: str = "files") -> list[str]:
        """List the files that the database knows, so that a restart makes the same choices."""
        rows = self._database.rows(
            "SELECT path FROM oc_filecache WHERE storage = ? AND mimetype <> 2"
            " AND SUBSTR(path, 1, ?) = ?",
            *(self._storage, len(below) + 1, f"{below}/"),
        )
        return sorted(str(path) for (path,) in rows)

    def _folder(self) -> str:
        rows = self._database.rows(
            "SELECT path FROM oc_filecache WHERE storage = ? AND mimetype = 2"
            " AND (path = 'files' OR SUBSTR(path, 1, 6) = 'files/')",
            self._storage,
        )
        return self._rng.choice(sorted(str(path) for (path,) in rows))

    def _now(self) -> int:
        return _FIRST_CHANGE + self._rng.randrange(50_000_000)


def _versioned(version: str) -> str:
    return "files/" + version.removeprefix("files_versions/").rpartition(".v")[0]

"""Where a whole ownCloud is restored to: its old paths, or others."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from ocsnap.errors import RefusedError
from ocsnap.owncloud.relocation import Relocation
from ocsnap.repository.snapshot import RootKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ocsnap.repository.snapshot import OwncloudRecord, Root, Snapshot


@dataclass(frozen=True)
class SiteChoice:
    """What the command line says of the place for a site; None: as it was.

    Attributes:
        root: folder of ownCloud's code.
        data_dir: the data directory.
        homes_dir: folder for homes that lay outside of the data directory.
        db_host: config.php's `dbhost`: host, host:port or host:/socket.
        db_name: name of the database.
        db_user: the account that ownCloud uses.
        db_password_file: file whose first line is the password of that account.
    """

    root: Path | None = None
    data_dir: Path | None = None
    homes_dir: Path | None = None
    db_host: str | None = None
    db_name: str | None = None
    db_user: str | None = None
    db_password_file: Path | None = None

    @property
    def says_anything(self) -> bool:
        """Whether anything is to be elsewhere than it was."""
        return self != SiteChoice()


@dataclass(frozen=True)
class Destination:
    """Where everything goes.

    Attributes:
        root: folder of ownCloud's code.
        data_dir: the data directory.
        relocation: from the old paths to the new ones.
        homes: each user's home.
        old_root: the folder of the code when the snapshot was made.
    """

    root: Path
    data_dir: Path
    relocation: Relocation
    homes: Mapping[str, str] = field(hash=False)
    old_root: str

    def place(self, root: Root) -> Path:
        """Return where a root of the snapshot goes."""
        path = os.fsdecode(root.path)
        if root.kind is RootKind.HOME:
            return Path(self.homes[root.name])
        inside = Path(path).is_relative_to(self.old_root)
        if root.kind is RootKind.CONFIG and not inside and str(self.root) != self.old_root:
            return self.root / "config"
        return Path(self.relocation.text(path))


def destination(snapshot: Snapshot, choice: SiteChoice, configured: Path | None) -> Destination:
    """Say where everything goes.

    Args:
        snapshot: what is restored.
        choice: what the command line says.
        configured: `owncloud.root`; None on a machine that has no configuration.

    Raises:
        RefusedError: a copy would use what belongs to the original.
    """
    record = snapshot.owncloud
    root = choice.root or configured or Path(record.root)
    if choice.root is None and str(root) != record.root:
        raise RefusedError(
            f"The snapshot is of {record.root}, but owncloud.root is {root}.",
            hint="Correct owncloud.root, name the new place with --root, or look into it with"
            " --target.",
        )
    data_dir = _data_dir(record, root, choice)
    old_homes = {
        home.name: os.fsdecode(home.path) for home in snapshot.roots if home.kind is RootKind.HOME
    }
    moved = str(root) != record.root or str(data_dir) != record.data_dir
    homes = {
        user: _home(record, user, path, data_dir, choice, moved=moved)
        for user, path in old_homes.items()
    }
    if str(root) != record.root and record.database_kind == "mysql":
        _demand_database(record, choice)
    moves = {old_homes[user]: new for user, new in homes.items()}
    moves |= {record.data_dir: str(data_dir), record.root: str(root)}
    return Destination(root, data_dir, Relocation.of(moves), homes, record.root)


def _data_dir(record: OwncloudRecord, root: Path, choice: SiteChoice) -> Path:
    if choice.data_dir is not None:
        return choice.data_dir
    if Path(record.data_dir).is_relative_to(record.root):
        return root / Path(record.data_dir).relative_to(record.root)
    if str(root) == record.root:
        return Path(record.data_dir)
    raise RefusedError(
        f"The data directory was {record.data_dir}, which lies outside of {record.root}.",
        hint="Say with --data-dir where that of the copy shall be.",
    )


def _home(  # noqa: PLR0913 - each is looked at
    record: OwncloudRecord,
    user: str,
    path: str,
    data_dir: Path,
    choice: SiteChoice,
    *,
    moved: bool,
) -> str:
    if Path(path).is_relative_to(record.data_dir):
        return str(data_dir / Path(path).relative_to(record.data_dir))
    if choice.homes_dir is not None:
        return str(choice.homes_dir / quote(user, safe=""))
    if not moved:
        return path
    raise RefusedError(
        f"The home of {user} was {path}, outside of the data directory.",
        hint="Say with --homes-dir where such homes of the copy shall be.",
    )


def _demand_database(record: OwncloudRecord, choice: SiteChoice) -> None:
    if choice.db_name is None and choice.db_host is None:
        raise RefusedError(
            f"The copy would replace the database {record.database_name} of the original.",
            hint="Name another with --db-name, or its server with --db-host; or say --db-name"
            f" {record.database_name} if it shall be replaced.",
        )

"""What of ownCloud's code is not as it came: apps, themes, the skeleton of new homes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.owncloud.finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.owncloud.instance import Instance

_SHIPPED: Final = Path("core", "shipped.json")
_THEMES: Final = frozenset({"example", "README"})
_MOST_NAMED: Final = 10


class _ShippedApps(msgspec.Struct):
    shippedApps: list[str] = []  # noqa: N815 - ownCloud's own name


def code(instance: Instance) -> Iterator[Finding]:
    """Look for code and templates that a fresh ownCloud of this version does not have.

    Args:
        instance: the ownCloud.

    Yields:
        Warnings: code is not in a backup, and a restore on a new machine needs it.
    """
    apps = sorted(_added_apps(instance))
    if apps:
        yield Finding(
            severity=Severity.WARNING,
            topic="apps",
            text=f"Apps that do not come with ownCloud are NOT in the backup: {_named(apps)}.",
            hint="On a new machine install them again before the restore, or copy their folders.",
        )
    themes = sorted(path.name for path in _folders(instance.root / "themes"))
    themes = [name for name in themes if name not in _THEMES]
    if themes:
        yield Finding(
            severity=Severity.WARNING,
            topic="themes",
            text=f"Themes are NOT in the backup: {_named(themes)}.",
            hint=f"Keep a copy of {instance.root / 'themes'}.",
        )
    skeleton = instance.settings.get("skeletondirectory")
    if isinstance(skeleton, str) and skeleton and not _comes_along(instance, Path(skeleton)):
        yield Finding(
            severity=Severity.WARNING,
            topic="skeleton",
            text=f"The files that new users get are NOT in the backup: {skeleton}.",
            hint="Keep a copy of that folder.",
        )


def _added_apps(instance: Instance) -> Iterator[str]:
    usual = instance.root / "apps"
    shipped = _shipped(instance.root)
    for folder in instance.apps_paths:
        for app in _folders(folder):
            if not (app / "appinfo" / "info.xml").is_file():
                continue
            if shipped is None and folder.resolve() == usual.resolve():
                continue  # nobody knows what came along
            if shipped is None or app.name not in shipped:
                yield app.name if folder == usual else f"{app.name} (in {folder})"


def _shipped(root: Path) -> frozenset[str] | None:
    try:
        text = (root / _SHIPPED).read_bytes()
        return frozenset(msgspec.json.decode(text, type=_ShippedApps).shippedApps) or None
    except (OSError, msgspec.MsgspecError):
        return None


def _comes_along(instance: Instance, folder: Path) -> bool:
    """Tell whether a folder is part of the code as it came, or of the data directory."""
    place = folder.resolve()
    return (
        place.is_relative_to(instance.data_dir)
        or place == (instance.root / "core" / "skeleton").resolve()
    )


def _folders(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir()]
    except OSError:
        return []


def _named(names: list[str]) -> str:
    rest = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")

"""The configuration of an ocsnap that backs up a stand-in ownCloud."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.owncloud_site import Site

PASSPHRASE = "Wir-sichern-0123456789-abcdefghijkl"

Settings: TypeAlias = dict[str, dict[str, object]]


def usual_settings(folder: Path, site: Site) -> Settings:
    """Return the tables of a configuration, and write the passphrase that they name.

    Args:
        folder: takes the passphrase, ocsnap's notes, and the repository.
        site: the ownCloud.
    """
    passphrase = folder / "passphrase"
    passphrase.write_text(f"{PASSPHRASE}\n")
    passphrase.chmod(0o600)
    return {
        "owncloud": {"root": str(site.root)},
        "repository": {"url": f"file://{folder}/repository"},
        "encryption": {"passphrase_file": str(passphrase)},
        "backup": {"state_dir": str(folder / "state")},
    }


def toml(settings: Settings) -> str:
    """Return the text of a configuration file."""
    lines = []
    for section, table in settings.items():
        lines.append(f"[{section}]")
        # What JSON writes for texts, numbers, truths and lists of them is TOML too.
        lines += [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"

"""Reads a duply profile: a folder with `conf`, which is a bash script, and `exclude`."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ocsnap.errors import ConfigError, RefusedError

_PLACES: Final = ("/etc/duply", "~/.duply")
"""Where duply looks for a profile that is given by its name (duply 2.4, `set_config`)."""

_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_PATIENCE_SECONDS: Final = 30.0

_SCRIPT: Final = r"""
known=" $(compgen -v | tr '\n' ' ') known name PIPESTATUS _ "
. "$1" </dev/null >/dev/null || exit 3
for name in $(compgen -v); do
    case "$known" in *" $name "*) continue ;; esac
    printf '%s=%s\0' "$name" "${!name}"
done
"""
"""Runs `conf` as duply does at each backup, and tells what it has set."""


@dataclass(frozen=True)
class Profile:
    """A profile.

    Attributes:
        folder: where it lies.
        settings: what `conf` sets, secrets included.
        file_list: the lines of `exclude`; None: there is no such file.
        scripts: names of the scripts `pre` and `post` that are there.
    """

    folder: Path
    settings: dict[str, str] = field(repr=False)
    file_list: tuple[str, ...] | None
    scripts: tuple[str, ...]

    def exported_key(self, key: str, kind: str) -> Path | None:
        """Return the file that duply has exported a key to; None: there is none.

        Args:
            key: a key's id, as `conf` has it.
            kind: `pub` or `sec`.
        """
        wanted = key.upper().removeprefix("0X")
        for path in sorted(self.folder.glob(f"gpgkey.*.{kind}.asc")):
            found = path.name.split(".")[1].upper()
            if wanted.endswith(found) or found.endswith(wanted):
                return path
        return None


def find_profile(name: str) -> Path:
    """Return the folder of a profile.

    Args:
        name: a profile's name, or a path.

    Raises:
        ConfigError: there is none.
    """
    if "/" in name:
        folders = [Path(name).expanduser()]
    else:
        folders = [Path(place).expanduser() / name for place in _PLACES]
    for folder in folders:
        if (folder / "conf").is_file():
            return folder.absolute()
    places = " or ".join(str(folder / "conf") for folder in folders)
    raise ConfigError(f"There is no duply profile {name}: {places} is missing.")


def read_profile(folder: Path) -> Profile:
    """Read a profile.

    `conf` is run by bash, with an empty environment: it may compute its values, as duply allows.

    Args:
        folder: the profile's folder.

    Raises:
        RefusedError: other users could have written into `conf`.
        ConfigError: it cannot be read.
    """
    conf = folder / "conf"
    _demand_ours(conf)
    return Profile(
        folder=folder,
        settings=_settings(conf),
        file_list=_file_list(folder / "exclude"),
        scripts=tuple(name for name in ("pre", "post") if (folder / name).is_file()),
    )


def _demand_ours(conf: Path) -> None:
    try:
        found = [conf.stat(), conf.parent.stat()]
    except OSError as error:
        raise ConfigError(f"{conf}: cannot be read: {error.strerror}.") from error
    ours = {0, os.geteuid()}
    if any(item.st_uid not in ours or stat.S_IMODE(item.st_mode) & _OTHERS for item in found):
        raise RefusedError(
            f"{conf} is a script, and other users can write it.",
            hint=f"See what is in it, then: chown -R 0 {conf.parent}; chmod -R go= {conf.parent}.",
        )


def _settings(conf: Path) -> dict[str, str]:
    home = pwd.getpwuid(os.geteuid()).pw_dir
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": home,
        "LC_ALL": "C.UTF-8",
        "CONFDIR": str(conf.parent),
    }
    try:
        done = subprocess.run(  # noqa: S603 - as duply does at each backup
            ["/bin/bash", "--noprofile", "--norc", "-c", _SCRIPT, "duply", str(conf)],
            env=environment,
            cwd=conf.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"{conf}: bash cannot run it: {error}.") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ConfigError(f"{conf}: bash cannot run it: {said[-1] if said else 'no reason'}.")
    pairs = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def _file_list(path: Path) -> tuple[str, ...] | None:
    try:
        text = path.read_text("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}.") from error
    return tuple(text.splitlines())

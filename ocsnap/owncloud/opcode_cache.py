"""How long PHP may go on with the config.php that it has in its opcode cache."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEFAULT_SECONDS: Final = 2
"""PHP manual, "OPcache: Runtime Configuration", opcache.revalidate_freq."""

MARGIN_SECONDS: Final = 0.2

# Debian; Alpine and SUSE; Fedora; Remi's packages; the images of Docker. The interpreter on the
# command line has settings of its own, which say nothing of the web server's.
_PLACES: Final = (
    *("etc/php/*/fpm", "etc/php/*/apache2", "etc/php/*/cgi"),
    *("etc/php[0-9]*", "etc/php[0-9]*/fpm", "etc/php[0-9]*/apache2"),
    *("etc", "etc/opt/remi/*", "usr/local/etc/php"),
)
_ADDITIONAL: Final = ("conf.d/*.ini", "php.d/*.ini")
_POOLS: Final = ("pool.d/*.conf", "php-fpm.d/*.conf", "../php-fpm.d/*.conf")

# php.ini and .user.ini: key = value; pools: php_admin_value[key] = value; .htaccess: php_value key
# value.
_SETTING = re.compile(
    rb"^[ \t]*(?:php_(?:admin_)?(?:value|flag)[ \t\[]+)?"
    rb"opcache\.(enable|revalidate_freq|validate_timestamps)\]?[ \t=]+[\"']?([^\"'\s;]+)",
    re.MULTILINE,
)
_OFF: Final = frozenset({b"0", b"off", b"no", b"false", b"none"})

_Settings = dict[bytes, bytes]


@dataclass(frozen=True)
class OpcodeCache:
    """What is known of the web server's opcode caches.

    Attributes:
        revalidate_seconds: how often the slowest one looks at files again.
        blind: settings by which a cache never does.
    """

    revalidate_seconds: int = _DEFAULT_SECONDS
    blind: tuple[Path, ...] = ()

    @classmethod
    def find(cls, root: Path, *, machine: Path = Path("/")) -> OpcodeCache:
        """Read PHP's settings for web servers, wherever systems keep them.

        Args:
            root: ownCloud's folder, which may have settings too.
            machine: the folder that all else is looked for in.

        Returns:
            The slowest of all that are there; PHP's default where none is.
        """
        slowest: int | None = None
        blind = []
        for place, settings in _all_settings(root, machine):
            if _is_off(settings, b"enable"):
                seconds = 0
            else:
                if _is_off(settings, b"validate_timestamps"):
                    blind.append(place)
                seconds = _seconds(settings)
            slowest = max(slowest or 0, seconds)
        if slowest is None:
            return cls()
        return cls(slowest, tuple(dict.fromkeys(blind)))

    def settled_at(self, now: float) -> float:
        """Return when a file that has been changed until now is seen by every new request.

        PHP counts in whole seconds: a script looked at in second s is looked at again once second
        s + revalidate_freq is over (ext/opcache/ZendAccelerator.c, validate_timestamp_and_record;
        measured with PHP 8.2: 2.1 to 3.0 seconds for 2). With 0 it is looked at every time.

        Args:
            now: seconds since the epoch.

        Returns:
            Seconds since the epoch.
        """
        if self.revalidate_seconds == 0:
            return now + MARGIN_SECONDS
        return math.floor(now) + self.revalidate_seconds + 1 + MARGIN_SECONDS


def _all_settings(root: Path, machine: Path) -> Iterator[tuple[Path, _Settings]]:
    own = [root / ".user.ini", root / ".htaccess"]
    for pattern in _PLACES:
        for folder in sorted(machine.glob(pattern)):
            if not (folder / "php.ini").is_file():
                continue
            base = _settings_of(folder / "php.ini")
            for additional in _ADDITIONAL:
                for path in sorted(folder.glob(additional)):
                    base |= _settings_of(path)
            yield folder, base
            # Each pool of FPM is a server of its own, so they do not build on one another.
            pools = (path for pool in _POOLS for path in sorted(folder.glob(pool)))
            for path in (*pools, *own):
                if settings := _settings_of(path):
                    yield path, base | settings


def _settings_of(path: Path) -> _Settings:
    try:
        text = path.read_bytes()
    except OSError:
        return {}  # not there, or not for us: what is not known stays at PHP's default
    return dict(_SETTING.findall(text))


def _is_off(settings: _Settings, name: bytes) -> bool:
    return settings.get(name, b"1").lower() in _OFF


def _seconds(settings: _Settings) -> int:
    value = settings.get(b"revalidate_freq", b"")
    return int(value) if value.isdigit() else _DEFAULT_SECONDS

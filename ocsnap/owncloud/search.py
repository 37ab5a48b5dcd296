"""Finds the ownClouds of this machine: in the usual places, and where web servers say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_USUAL: Final = (
    *("var/www/owncloud", "var/www/html/owncloud", "var/www/html", "var/www", "srv/www/owncloud"),
    *("srv/www/htdocs/owncloud", "srv/http/owncloud", "srv/owncloud", "opt/owncloud"),
    *("usr/share/owncloud", "usr/share/webapps/owncloud", "usr/local/www/owncloud"),
    *("var/www/vhosts/*/httpdocs", "var/www/*", "var/www/*/htdocs", "home/*/public_html"),
)
"""ownCloud's manual, packages of Debian, Fedora, SUSE, Arch and FreeBSD, and Plesk."""

_WEB_SERVERS: Final = (
    *("etc/apache2/sites-enabled/*", "etc/apache2/conf-enabled/*", "etc/apache2/vhosts.d/*.conf"),
    *("etc/httpd/conf.d/*.conf", "etc/httpd/conf/httpd.conf"),
    *("etc/nginx/sites-enabled/*", "etc/nginx/conf.d/*.conf", "etc/nginx/nginx.conf"),
    *("etc/lighttpd/conf-enabled/*.conf", "etc/lighttpd/lighttpd.conf", "etc/caddy/Caddyfile"),
)
_PLACE: Final = re.compile(
    rb"""^[ \t]*(?:DocumentRoot|Alias[ \t]+\S+|<Directory|root(?:[ \t]+\*)?|alias
    |server\.document-root[ \t]*=|"[^"]*"[ \t]*=>)[ \t]+["']?(/[^"'\s;>]+)""",
    re.MULTILINE | re.IGNORECASE | re.VERBOSE,
)
_BELOW: Final = ("", "owncloud")


def find_roots(machine: Path = Path("/")) -> list[Path]:
    """Return the folders that hold an ownCloud which has been set up.

    Args:
        machine: the folder that all is looked for in.

    Returns:
        Each once, links resolved, those that web servers name first.
    """
    found: dict[Path, None] = {}
    for place in (*_served(machine), *_usual(machine)):
        for below in _BELOW:
            folder = place / below if below else place
            if _is_root(folder):
                found.setdefault(folder.resolve())
    return list(found)


def roots_in(folder: Path) -> list[Path]:
    """Return the ownClouds that lie right in a folder, or that it is.

    Args:
        folder: where somebody says that there is one.
    """
    try:
        places = (folder, *sorted(folder.iterdir()))
    except OSError:
        return []
    return [place.resolve() for place in places if _is_root(place)]


def _served(machine: Path) -> Iterator[Path]:
    for pattern in _WEB_SERVERS:
        for path in sorted(machine.glob(pattern)):
            try:
                text = path.read_bytes()
            except OSError:
                continue  # not for us to read: the usual places are left
            for place in _PLACE.findall(text):
                yield machine / place.decode("utf-8", "surrogateescape").lstrip("/")


def _usual(machine: Path) -> Iterator[Path]:
    for pattern in _USUAL:
        yield from sorted(machine.glob(pattern))


def _is_root(folder: Path) -> bool:
    try:
        return all(
            (folder / name).is_file() for name in ("occ", "version.php", "config/config.php")
        )
    except OSError:
        return False

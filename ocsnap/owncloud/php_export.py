"""Writes PHP literals, as config.php is made of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_CLOSED = re.compile(rb"\?>\s*\Z")


def php_export(value: object) -> str:
    """Return a value as PHP reads it.

    Args:
        value: a plain value, as `read_config_php` returns it.
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(php_export(item) for item in value)}]"
    if isinstance(value, dict):
        pairs = (f"{php_export(key)} => {php_export(item)}" for key, item in value.items())
        return f"[{', '.join(pairs)}]"
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"


def with_settings(source: bytes, settings: Mapping[str, object]) -> bytes:
    """Return a configuration file that also says something else.

    What the admin wrote stays as it is; the new assignments stand behind it and win. ownCloud
    writes the whole file anew when it next changes a setting.

    Args:
        source: a PHP file that sets $CONFIG.
        settings: keys with their new values.
    """
    if not settings:
        return source
    lines = [
        f"$CONFIG[{php_export(key)}] = {php_export(value)};\n" for key, value in settings.items()
    ]
    # "?>" ends a statement too, and what stands behind it would be sent to the browser.
    begun = _CLOSED.sub(b";", source).rstrip() + b"\n"
    return begun + "".join(lines).encode("utf-8", "surrogateescape")

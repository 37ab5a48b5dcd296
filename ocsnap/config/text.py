"""Writes a configuration file: TOML with a word on each key, for who opens it next."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from ocsnap.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Tables = dict[str, dict[str, object]]
"""What a configuration file holds, before it is checked."""

HEAD: Final = (
    "# The configuration of ocsnap. config.sample.toml explains all keys, also those that are not",
    "# set here and so have their defaults. `ocsnap doctor` tells whether all of it works.",
)


def config_text(
    tables: Mapping[str, Mapping[str, object]],
    notes: Mapping[str, str],
    head: Iterable[str] = HEAD,
) -> str:
    """Return the text of a configuration file.

    Args:
        tables: texts, numbers, truths and arrays of them by section and key; empty sections are
            left out.
        notes: what to say of a key, by `section.key`; one or more lines.
        head: lines to begin with.

    Returns:
        TOML that reads as `tables`.

    Raises:
        ConfigError: a text cannot stand in TOML, since it is not Unicode.
    """
    lines = list(head)
    for section, table in tables.items():
        if not table:
            continue
        lines += ["", f"[{section}]"] if lines else [f"[{section}]"]
        for key, value in table.items():
            lines += _note(notes.get(f"{section}.{key}", ""))
            lines.append(f"{key} = {_value(value, f'{section}.{key}')}")
    return "\n".join(lines) + "\n"


def _note(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield f"# {line}".rstrip()


def _value(value: object, key: str) -> str:
    # What JSON writes for texts, numbers, truths and lists of them is TOML too, but for DEL.
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ConfigError(f"{key}: {value!r} is not UTF-8, and cannot be written.") from None
    return text

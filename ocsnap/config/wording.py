"""msgspec's messages, in the words of TOML."""

from __future__ import annotations

import re
from typing import Any, Final, get_args

import msgspec

from ocsnap.config.sections import Config

_TOML_WORDS: Final = {
    "str": "a string",
    "int": "an integer",
    "float": "a float",
    "bool": "true or false",
    "array": "an array",
    "list": "an array",
    "object": "a table",
    "dict": "a table",
    "datetime": "a date",
    "date": "a date",
    "time": "a time",
}


def sections() -> dict[str, Any]:
    """Return the tables that the file may have, with their types."""
    return {field.name: field.type for field in msgspec.structs.fields(Config)}


def keys(section: Any) -> dict[str, Any]:  # noqa: ANN401 - a type, which msgspec gives as Any
    """Return the keys that a table may have, with their types."""
    return {field.name: field.type for field in msgspec.structs.fields(section)}


def plain(text: str) -> str:
    """Turn msgspec's `X - at `$.a.b`` into `a.b: X`, in TOML's words."""
    reason, _, place = text.rpartition(" - at `$")
    if not reason:
        reason, place = text, ""
    place = place.rstrip("`").lstrip(".")
    if missing := re.fullmatch(r"Object missing required field `(\w+)`", reason):
        return f"{place}.{missing[1]}: missing".lstrip(".")
    return f"{place}: {_reason(reason, place)}"


def _reason(reason: str, place: str) -> str:
    if wrong := re.fullmatch(r"Expected `(\w+)[^`]*`, got `(\w+)`", reason):
        return f"must be {word(wrong[1])}, not {word(wrong[2])}"
    if bound := re.fullmatch(r"Expected `\w+` ([<>])= ([\d.]+)", reason):
        return f"must be {'at most' if bound[1] == '<' else 'at least'} {bound[2]}"
    if re.fullmatch(r"Expected `\w+` of length >= 1", reason):
        return "must not be empty"
    if reason.startswith("Expected `str` matching regex"):
        return "must be a time such as 36h, 30d, 8w, 6m, 2y or 1y6m"
    if value := re.fullmatch(r"Invalid enum value (.*)", reason, re.DOTALL):
        return f"{value[1]} is none of {', '.join(_choices(place))}"
    return reason


def word(name: str) -> str:
    """Return what TOML calls one of Python's types."""
    return _TOML_WORDS.get(name, name)


def _choices(place: str) -> list[str]:
    section, _, key = place.partition(".")
    alternatives = get_args(keys(sections()[section])[key])
    choices = [choice for kind in alternatives for choice in get_args(kind) or (kind,)]
    return [choice for choice in choices if isinstance(choice, str)]

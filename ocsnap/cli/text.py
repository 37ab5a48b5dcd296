"""Text for a terminal: names from a disk may hold anything, escape sequences included."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return a text with everything that is not printable written as an escape.

    Args:
        text: any text, also with surrogates of names that are no UTF-8.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else _escape(character) for character in text
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")

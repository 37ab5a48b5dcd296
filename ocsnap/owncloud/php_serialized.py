"""Reads PHP's serialized values: unlike JSON they carry any bytes and tell 1 from "1" as a key.

The format: https://www.php.net/manual/en/function.serialize.php
"""

from __future__ import annotations

from ocsnap.owncloud.php_value import PhpArray, PhpScalar, PhpValue, plain


def unserialize(data: bytes) -> object:
    """Read one serialized value.

    Args:
        data: what PHP's serialize() returned, without anything after it.

    Returns:
        None, bool, int, float, str, list or dict, as `php_value.plain` describes.

    Raises:
        ValueError: the data is cut, or holds objects or references.
    """
    reader = _Reader(data)
    value = reader.value()
    if reader.position != len(data):
        raise ValueError(f"{len(data) - reader.position} bytes too many")
    return plain(value)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def value(self) -> PhpValue:
        kind = self._take(2)
        if kind == b"N;":
            return None
        if kind == b"s:":
            return self._string()
        if kind == b"a:":
            return self._array()
        return self._scalar(kind, self._until(b";"))

    def _scalar(self, kind: bytes, text: bytes) -> PhpScalar:
        if kind == b"i:":
            return int(text)
        if kind == b"d:":
            return float(text)
        if kind == b"b:" and text in (b"0", b"1"):
            return text == b"1"
        raise ValueError(f"unknown type {kind!r}")

    def _string(self) -> str:
        length = int(self._until(b":"))
        text = self._take(length + 3)
        if text[:1] != b'"' or text[-2:] != b'";':
            raise ValueError("a string is not quoted")
        return text[1:-2].decode("latin-1")

    def _array(self) -> PhpArray:
        count = int(self._until(b":"))
        if self._take(1) != b"{":
            raise ValueError("an array does not begin")
        result: PhpArray = {}
        for _ in range(count):
            key = self.value()
            if not isinstance(key, int | str):
                raise ValueError("a key is neither int nor string")  # noqa: TRY004 - the data is wrong, no type
            result[key] = self.value()
        if self._take(1) != b"}":
            raise ValueError("an array does not end")
        return result

    def _take(self, count: int) -> bytes:
        piece = self.data[self.position : self.position + count]
        if len(piece) != count:
            raise ValueError("cut short")
        self.position += count
        return piece

    def _until(self, mark: bytes) -> bytes:
        end = self.data.find(mark, self.position)
        if end < 0:
            raise ValueError("cut short")
        piece = self.data[self.position : end]
        self.position = end + 1
        return piece

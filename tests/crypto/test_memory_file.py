"""Files in memory that serve one message after the other."""

from __future__ import annotations

import os

from ocsnap.crypto import MemoryFile
from ocsnap.units import MIB


def _write(file: MemoryFile, data: bytes) -> None:
    """Write as a child does that has the descriptor for its own."""
    file.rewind()
    assert os.write(file.fileno(), data) == len(data)


def test_what_was_written_ends_where_the_writer_ended():
    with MemoryFile() as file:
        for data in (b"long" * MIB, b"", b"short", b"longer" * MIB):
            _write(file, data)
            assert file.written() == data


def test_its_room_is_as_long_as_was_asked_and_the_next_reader_ends_there():
    with MemoryFile() as file:
        for data in (b"", b"long" * MIB, b"short", b"", b"longer" * MIB):
            view = file.room(len(data))
            assert len(view) == len(data)
            view[:] = data
            file.rewind()
            assert os.read(file.fileno(), len(data) + 1) == data
            assert file.content() == data


def test_room_is_asked_for_once_for_all_of_about_the_same_size():
    with MemoryFile() as file:
        first = file.room(MIB - 5)
        for size_bytes in (MIB - 4, MIB, 1):
            assert file.room(size_bytes).obj is first.obj
        assert file.room(MIB + 1).obj is not first.obj
        assert file.size_bytes == MIB + 1


def test_what_was_given_out_stays_there_when_it_is_closed():
    file = MemoryFile()
    view = file.room(5)
    view[:] = b"hello"
    file.close()
    assert view == b"hello"

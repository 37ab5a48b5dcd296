from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from ocsnap.repository.compression import Compressor

if TYPE_CHECKING:
    from collections.abc import Callable

WORDS = [f"word{number * 7919 % 1000}" for number in range(1000)]


def digits(rng: random.Random) -> bytes:
    """Content that the fast level makes no larger than the thorough one does."""
    chosen = [f"{number * 7919 % (1 << 24):06x}" for number in range(4000)]
    return " ".join(rng.choices(chosen, k=15_000)).encode()


def prose(rng: random.Random) -> bytes:
    """Content with repetitions of all lengths, for which the thorough level pays."""
    text = " ".join(rng.choices(WORDS, k=600))
    pieces = [text[start : start + rng.randrange(3, 90)] for start in range(0, len(text), 3)]
    return "".join(rng.choices(pieces, k=2500)).encode()


def compressed_bytes(blobs: list[bytes], level: int) -> int:
    compressor = zstandard.ZstdCompressor(level=level)
    return sum(len(compressor.compress(blob)) for blob in blobs)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=5000) | st.binary(max_size=20).map(lambda b: b * 500)))
def test_every_frame_holds_its_blob_and_states_its_size(blobs: list[bytes]):
    compressor = Compressor()
    for blob in blobs:
        frame = compressor.compress(memoryview(blob))
        assert zstandard.frame_content_size(frame) == len(blob)
        assert zstandard.ZstdDecompressor().decompress(frame) == blob


@pytest.mark.parametrize("make", [digits, prose])
def test_the_level_that_suits_is_found(make: Callable[[random.Random], bytes]):
    rng = random.Random(1)
    blobs = [make(rng) for _ in range(80)]
    best_bytes = min(compressed_bytes(blobs, level) for level in (2, 3))
    compressor = Compressor()
    assert sum(len(compressor.compress(blob)) for blob in blobs) <= best_bytes * 1.01


def test_the_two_kinds_of_content_of_these_tests_want_different_levels():
    rng = random.Random(1)
    fast = [digits(rng) for _ in range(20)]
    assert compressed_bytes(fast, 2) < compressed_bytes(fast, 3)
    thorough = [prose(rng) for _ in range(20)]
    assert compressed_bytes(thorough, 3) < compressed_bytes(thorough, 2) * 0.98


def test_what_cannot_be_compressed_teaches_nothing():
    rng = random.Random(1)
    compressor = Compressor()
    for _ in range(100):
        compressor.compress(rng.randbytes(1000))
    assert compressor._compressible == 0

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocsnap.errors import LocalIOError
from ocsnap.librsync import SIGNATURE_ENTRY_BYTES, Copy, Delta, Literal, block_length, new_signer
from ocsnap.librsync.signature import SIGNATURE_HEADER_BYTES
from ocsnap.units import GIB, MIB

BLOCK_BYTES = 64


def sign(content: bytes, block_bytes: int = BLOCK_BYTES, piece_bytes: int = 1 << 20) -> bytes:
    signer = new_signer(block_bytes)
    for start in range(0, len(content), piece_bytes):
        signer.update(content[start : start + piece_bytes])
    return signer.finish()


def rebuild(old: bytes, new: bytes, signature: bytes, piece_bytes: int = 1 << 20) -> bytes:
    """Return what the instructions make of the old content; the new one is not used otherwise."""
    delta = Delta(signature)
    built = bytearray()
    for start in range(0, len(new), piece_bytes):
        for instruction in delta.update(new[start : start + piece_bytes]):
            add(built, old, instruction)
    for instruction in delta.update(b"", last=True):
        add(built, old, instruction)
    return bytes(built)


def add(built: bytearray, old: bytes, instruction: Copy | Literal) -> None:
    if isinstance(instruction, Literal):
        assert instruction.data
        built += instruction.data
    else:
        assert instruction.length > 0
        assert instruction.offset + instruction.length <= len(old)
        built += old[instruction.offset : instruction.offset + instruction.length]


@st.composite
def versions(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Draw content and what became of it by moving, cutting and inserting."""
    old = draw(st.binary(max_size=4000))
    if draw(st.booleans()):
        return old, draw(st.binary(max_size=4000))
    rng = random.Random(draw(st.integers(0, 2**32)))
    old = rng.randbytes(rng.randrange(20_000))
    new = b""
    for _ in range(draw(st.integers(0, 8))):
        start = rng.randrange(len(old) + 1)
        new += old[start : start + rng.randrange(5000)]
        new += draw(st.binary(max_size=100))
    return old, new


@settings(max_examples=300, deadline=None)
@given(versions(), st.integers(1, 5000), st.sampled_from([16, 64, 700]))
def test_instructions_rebuild_the_new_content(
    contents: tuple[bytes, bytes], piece_bytes: int, block_bytes: int
):
    old, new = contents
    signature = sign(old, block_bytes, piece_bytes)
    assert rebuild(old, new, signature, piece_bytes) == new


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 50_000), st.integers(1, 5000))
def test_a_signature_does_not_depend_on_the_pieces(size_bytes: int, piece_bytes: int):
    content = random.Random(size_bytes).randbytes(size_bytes)
    signature = sign(content, piece_bytes=piece_bytes)
    assert signature == sign(content)
    blocks = -(-size_bytes // BLOCK_BYTES)
    assert len(signature) == SIGNATURE_HEADER_BYTES + blocks * SIGNATURE_ENTRY_BYTES


@pytest.mark.parametrize("size_bytes", [100, 100_000, 3_000_000])
def test_the_same_content_is_copies_alone(size_bytes: int):
    content = random.Random(1).randbytes(size_bytes)
    block_bytes = block_length(size_bytes)
    instructions = [*Delta(sign(content, block_bytes)).update(content, last=True)]
    assert instructions == [Copy(0, size_bytes)]


def test_a_small_edit_is_a_small_literal():
    content = random.Random(1).randbytes(1_000_000)
    new = content[:500_000] + b"edit" + content[500_000:]
    instructions = [*Delta(sign(content, 2048)).update(new, last=True)]
    literals = [item for item in instructions if isinstance(item, Literal)]
    assert sum(len(literal.data) for literal in literals) <= 2048 + 4
    assert len(instructions) == 3


@pytest.mark.parametrize("literal_bytes", [1, 63, 64, 65, 255, 256, 65_535, 65_536, 70_000])
def test_literals_of_every_width(literal_bytes: int):
    """The command's own length has 0, 1, 2 or 4 bytes, with borders at these sizes."""
    old = random.Random(1).randbytes(200_000)
    new = old[:100_352] + random.Random(2).randbytes(literal_bytes) + old[100_352:]
    assert rebuild(old, new, sign(old, 1024)) == new


def test_a_copy_from_beyond_4_gib_is_told():
    """Offsets have up to 8 bytes; a signature can be made without the content."""
    tail = random.Random(1).randbytes(128 * 1024)
    block_bytes = 128 * 1024
    whole = sign(tail, block_bytes)
    header, entry = whole[:SIGNATURE_HEADER_BYTES], whole[SIGNATURE_HEADER_BYTES:]
    zeros = sign(bytes(block_bytes), block_bytes)[SIGNATURE_HEADER_BYTES:]
    blocks_before = 4 * GIB // block_bytes + 1
    signature = header + zeros * blocks_before + entry
    instructions = [*Delta(signature).update(tail, last=True)]
    assert instructions == [Copy(blocks_before * block_bytes, block_bytes)]


def test_memoryviews_and_bytearrays_are_taken():
    content = bytearray(random.Random(1).randbytes(100_000))
    signer = new_signer(1024)
    signer.update(memoryview(content))
    signature = signer.finish()
    assert [*Delta(signature).update(memoryview(content), last=True)] == [Copy(0, 100_000)]


HOSTILE = """
import random, resource, sys
from ocsnap.errors import LocalIOError
from ocsnap.librsync import Delta, new_signer

resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
rng = random.Random(int(sys.argv[1]))
signer = new_signer(512)
signer.update(rng.randbytes(20_000))
sound = signer.finish()
errors = 0
for number in range(1500):
    kind = number % 4
    signature = bytearray(sound)
    if kind == 0:
        signature = rng.randbytes(rng.randrange(200))
    elif kind == 1:
        signature = signature[: rng.randrange(len(signature))]
    elif kind == 2:
        signature[rng.randrange(12)] ^= 1 << rng.randrange(8)
    else:
        for _ in range(5):
            signature[rng.randrange(len(signature))] ^= 1 << rng.randrange(8)
    try:
        list(Delta(bytes(signature)).update(rng.randbytes(3000), last=True))
    except LocalIOError:
        errors += 1
print(errors)
"""


def test_a_bad_signature_is_an_error_and_no_crash():
    """In a process of its own, since what is feared is the end of the process."""
    ended = subprocess.run(
        [sys.executable, "-c", HOSTILE, "1"], capture_output=True, check=False, timeout=120
    )
    assert ended.returncode == 0, ended.stderr.decode()
    assert int(ended.stdout) > 500


@pytest.mark.parametrize("signature", [b"", b"rs", b"\0" * 100, b"x" * 5000])
def test_what_is_no_signature_is_an_error(signature: bytes):
    with pytest.raises(LocalIOError):
        Delta(signature)


@given(st.integers(0, 64 * GIB))
def test_block_lengths_stay_within_bounds(size_bytes: int):
    length = block_length(size_bytes)
    assert 2048 <= length <= 128 * 1024
    assert length % 256 == 0
    assert block_length(size_bytes + MIB) >= length
    if 64 * MIB <= size_bytes <= 16 * GIB:
        assert abs(length - size_bytes**0.5 / 2) <= 256


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_a_delta_can_be_given_up_half_way(seed: int):
    rng = random.Random(seed)
    delta = Delta(sign(rng.randbytes(100_000)))
    for _ in delta.update(rng.randbytes(100_000)):
        break

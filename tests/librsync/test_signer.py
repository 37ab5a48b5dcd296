from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocsnap.librsync.signer import CompiledSigner, LibrarySigner, Signer, is_compiled, new_signer


def signature(signer: Signer, content: bytes, piece_bytes: int) -> bytes:
    for start in range(0, len(content), piece_bytes):
        signer.update(memoryview(content)[start : start + piece_bytes])
    return signer.finish()


def test_this_installation_has_the_compiled_signer():
    """The linters' and tests' installation has a compiler, so that both ways are tested."""
    assert is_compiled()
    assert isinstance(new_signer(2048), CompiledSigner)


@settings(max_examples=400, deadline=None)
@given(
    st.integers(0, 20_000),
    st.integers(1, 3000),
    st.integers(1, 9000),
    st.integers(0, 2**32),
)
def test_both_signers_make_the_same_bytes(
    size_bytes: int, block_bytes: int, piece_bytes: int, seed: int
):
    content = random.Random(seed).randbytes(size_bytes)
    compiled = signature(CompiledSigner(block_bytes), content, piece_bytes)
    assert compiled == signature(LibrarySigner(block_bytes), content, 1 << 20)


@pytest.mark.parametrize("content", [b"", b"\0", b"\xff" * 70_000, bytes(128 * 64)])
@pytest.mark.parametrize("block_bytes", [1, 127, 128, 129, 2048, 131_072])
def test_both_signers_agree_at_the_borders(content: bytes, block_bytes: int):
    compiled = signature(CompiledSigner(block_bytes), content, 4096)
    assert compiled == signature(LibrarySigner(block_bytes), content, 1 << 20)


def test_without_the_compiled_part_librsync_signs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ocsnap.librsync.signer._compiled", lambda: None)
    assert isinstance(new_signer(2048), LibrarySigner)

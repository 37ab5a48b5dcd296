"""What the fuzzer once found worth keeping still does no harm; see `make fuzz`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_in_the_corpus_does_harm(name: str):
    inputs = sorted((CORPUS / name).iterdir())
    assert inputs, "each target has something to begin with"
    for path in inputs:
        TARGETS[name](path.read_bytes())
    for data in (b"", b"\0", b"\xff" * 100, b"[" * 10_000, b"{" * 10_000):
        TARGETS[name](data)


def test_every_corpus_has_a_target():
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)

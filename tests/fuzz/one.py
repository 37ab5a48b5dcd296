"""Runs the fuzzer on one target: `python -m tests.fuzz.one TARGET [libFuzzer's options] CORPUS`."""

from __future__ import annotations

import sys

import atheris

if __name__ == "__main__":
    with atheris.instrument_imports(include=["ocsnap"]):
        from tests.fuzz.targets import TARGETS
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()

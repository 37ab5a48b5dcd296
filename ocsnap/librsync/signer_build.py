"""Builds `_signer`, the compiled half of `signer.py`; see `setup.py`."""

from __future__ import annotations

from pathlib import Path

import cffi

ffi = cffi.FFI()
ffi.cdef(
    """
    void ocsnap_sign(const uint8_t *data, size_t size, size_t block, size_t strong_bytes,
                     uint8_t *entries);
    """
)
ffi.set_source(
    "ocsnap.librsync._signer",
    Path(__file__).with_name("signer.c").read_text(encoding="utf-8"),
    extra_compile_args=["-O3"],
)

"""Builds `_lister`, the compiled half of `lister.py`; see `setup.py`."""

from __future__ import annotations

from pathlib import Path

import cffi

ffi = cffi.FFI()
ffi.cdef(
    """
    typedef struct {
        size_t count, names_bytes, records_bytes;
        char *names;
        uint8_t *records;
        uint32_t *ends;
        ...;
    } ocsnap_listing;
    int ocsnap_list(int directory, size_t most, ocsnap_listing *made);
    int ocsnap_look(int directory, const uint8_t *left_out, ocsnap_listing *made);
    void ocsnap_release(ocsnap_listing *made);
    """
)
ffi.set_source(
    "ocsnap.snapshot._lister",
    Path(__file__).with_name("lister.c").read_text(encoding="utf-8"),
    extra_compile_args=["-O2"],
)

"""Builds `_formatter`, the compiled half of `formatter.py`; see `setup.py`."""

from __future__ import annotations

from pathlib import Path

import cffi

ffi = cffi.FFI()
ffi.cdef(
    """
    typedef struct {
        uint64_t rows, checksum, largest_row_bytes, used_bytes, open;
    } ocsnap_tally;
    void ocsnap_prepare(void);
    size_t ocsnap_whole(const uint8_t *data, size_t size, int *next);
    int ocsnap_insert(const uint8_t *data, size_t size, int framed, const uint8_t *forms,
                      size_t columns, const uint8_t *opening, size_t opening_bytes, size_t limit,
                      ocsnap_tally *tally, uint8_t *out, size_t room, size_t *taken,
                      size_t *written, size_t *needed);
    """
)
ffi.set_source(
    "ocsnap.database.mysql._formatter",
    Path(__file__).with_name("formatter.c").read_text(encoding="utf-8"),
    extra_compile_args=["-O3"],
)

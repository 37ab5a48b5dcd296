"""What librsync's functions look like; see `setup.py`, which has it parsed once and for all.

Declarations: librsync.h of librsync 2.3.2.
"""

from __future__ import annotations

import cffi

ffi = cffi.FFI()
ffi.cdef(
    """
    typedef struct {
        char *next_in; size_t avail_in; int eof_in;
        char *next_out; size_t avail_out;
    } rs_buffers_t;
    typedef struct rs_job rs_job_t;
    typedef struct rs_signature rs_signature_t;
    extern char const rs_librsync_version[];
    char const *rs_strerror(int result);
    rs_job_t *rs_sig_begin(size_t block_len, size_t strong_len, int sig_magic);
    rs_job_t *rs_loadsig_begin(rs_signature_t **signature);
    int rs_build_hash_table(rs_signature_t *signature);
    rs_job_t *rs_delta_begin(rs_signature_t *signature);
    int rs_job_iter(rs_job_t *job, rs_buffers_t *buffers);
    int rs_job_free(rs_job_t *job);
    void rs_free_sumset(rs_signature_t *signature);
    """
)
ffi.set_source("ocsnap.librsync._binding", None)

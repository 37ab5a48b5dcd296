"""Signatures and deltas of the rsync algorithm, by the system's librsync."""

from ocsnap.librsync.delta import Copy, Delta, Instruction, Literal
from ocsnap.librsync.signature import SIGNATURE_ENTRY_BYTES, block_length
from ocsnap.librsync.signer import new_signer

__all__ = [
    "SIGNATURE_ENTRY_BYTES",
    "Copy",
    "Delta",
    "Instruction",
    "Literal",
    "block_length",
    "new_signer",
]

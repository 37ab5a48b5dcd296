"""Encryption: plain OpenPGP messages, made and read by the real gpg."""

from ocsnap.crypto.cipher import Cipher, CipherMode
from ocsnap.crypto.gpg import fingerprint_of
from ocsnap.crypto.memory_file import MemoryFile
from ocsnap.crypto.open import open_cipher

__all__ = ["Cipher", "CipherMode", "MemoryFile", "fingerprint_of", "open_cipher"]

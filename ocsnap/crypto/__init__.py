"""Encryption: plain OpenPGP messages, made and read by the real gpg."""

from ocsnap.crypto.cipher import Cipher, CipherMode
from ocsnap.crypto.memory_file import MemoryFile
from ocsnap.crypto.open import open_cipher

__all__ = ["Cipher", "CipherMode", "MemoryFile", "open_cipher"]

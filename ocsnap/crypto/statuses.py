"""What gpg says of a message, for machines (GnuPG 2.2, `doc/DETAILS`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ocsnap.errors import CryptoError, DamagedError, NoSecretKeyError

if TYPE_CHECKING:
    from ocsnap.errors import OcsnapError

_PREFIX: Final = "[GNUPG:] "
_VERDICTS: Final = ("GOODSIG", "EXPKEYSIG", "EXPSIG", "REVKEYSIG", "BADSIG", "ERRSIG")


class Statuses:
    """The status lines of one run of gpg."""

    def __init__(self, stderr: str) -> None:
        """Take them out of what gpg wrote.

        Args:
            stderr: all that it wrote to the file descriptor that both kinds of lines go to.
        """
        lines = stderr.split("\n")  # not splitlines: a name may have stranger line ends in it
        told = [line.removeprefix(_PREFIX) for line in lines if line.startswith(_PREFIX)]
        self._lines = [(keyword, rest) for keyword, _, rest in (s.partition(" ") for s in told)]
        self._keywords = {keyword for keyword, _ in self._lines}

    @property
    def encrypted(self) -> bool:
        """Whether a message was locked to its end."""
        return "END_ENCRYPTION" in self._keywords

    @property
    def decrypted(self) -> bool:
        """Whether a message was unlocked, and is what was locked."""
        return "DECRYPTION_OKAY" in self._keywords

    @property
    def locked_with_key(self) -> bool:
        """Whether the message is locked with somebody's public key."""
        return "ENC_TO" in self._keywords

    def signers(self) -> set[str]:
        """Return the fingerprints, primary ones too, of all keys with a good signature.

        A key that has expired since signs no more, but what it signed before stays signed.
        """
        found: set[str] = set()
        good = False
        for keyword, rest in self._lines:
            if keyword in _VERDICTS:
                good = keyword in {"GOODSIG", "EXPKEYSIG"}
            elif keyword == "VALIDSIG" and good:
                found.update(rest.split()[:1], rest.split()[-1:])
        return found

    def failure(self, reason: str) -> OcsnapError:
        """Return the error that says why a message could not be unlocked.

        Args:
            reason: gpg's own words, for what has no better ones.
        """
        keys, unlocked = self._keywords, "DECRYPTION_INFO" in self._keywords
        if "BADMDC" in keys:
            return DamagedError("gpg could not decrypt: the message was altered or cut.")
        if not unlocked and not self.locked_with_key:
            return DamagedError("gpg could not decrypt: this is no whole encrypted message.")
        if not unlocked and "NO_SECKEY" in keys:
            return NoSecretKeyError(
                "gpg has no secret key for this backup.",
                hint="Import the key that the backups are made for, then run the command again.",
            )
        if not unlocked:
            return CryptoError(
                f"gpg could not use the secret key: {reason}.",
                hint="Set encryption.passphrase_file or encryption.passphrase_env.",
            )
        if any(keyword == "ERROR" and "BAD_PASSPHRASE" in rest for keyword, rest in self._lines):
            return CryptoError(
                "gpg could not decrypt: the passphrase is wrong.",
                hint="Check encryption.passphrase_file or encryption.passphrase_env.",
            )
        return DamagedError(f"gpg could not decrypt: {reason}.")

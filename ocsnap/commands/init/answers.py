"""What somebody who sets ocsnap up has said, and the configuration that it makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from ocsnap.config.text import Tables

NOTES: Final = {
    "owncloud.root": "The folder with occ, version.php and config/.",
    "owncloud.url": "The address that users type: asked whether ownCloud is really frozen.",
    "repository.url": "Where the backups go.",
    "repository.secret_access_key_file": "A file whose first line is the secret of that key.",
    "encryption.passphrase_file": (
        "A file whose first line is the passphrase. Without it the backups are lost: keep the\n"
        "recovery sheet (ocsnap recovery-sheet) away from this machine."
    ),
    "encryption.recipients": (
        "Fingerprints of the keys that can read the backups. This machine has only their public\n"
        "parts: without the secret ones, kept elsewhere, the backups are lost."
    ),
    "encryption.key_files": "Exported keys that ocsnap takes into its own GnuPG folder.",
    "backup.state_dir": "ocsnap's own notes; nothing in it is needed for a restore.",
    "backup.exclude": "What to leave out of the data directory.",
}


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What was said; None or empty: nothing, so that a default holds.

    Attributes:
        root: ownCloud's folder.
        web_url: the address that users type.
        url: where the backups go.
        region: region of the bucket.
        endpoint: address of a store other than Amazon's.
        access_key_id: key for the store.
        secret: secret of that key.
        secret_file: file that has it, or is to have it.
        profile: a profile of ~/.aws/config.
        ca_file: certificates to trust.
        passphrase: the passphrase of a repository that exists.
        passphrase_file: file that has it, or is to have it.
        recipients: fingerprints of the keys that can read the backups.
        key_files: exported keys.
        state_dir: folder for ocsnap's own notes.
        exclude: patterns of what to leave out.
        further: more keys, by section, that need no question.
        notes: what to say of keys in the file, by `section.key`.
    """

    root: Path | None = None
    web_url: str | None = None
    url: str | None = None
    region: str | None = None
    endpoint: str | None = None
    access_key_id: str | None = None
    secret: str | None = field(default=None, repr=False)
    secret_file: Path | None = None
    profile: str | None = None
    ca_file: Path | None = None
    passphrase: str | None = field(default=None, repr=False)
    passphrase_file: Path | None = None
    recipients: tuple[str, ...] = ()
    key_files: tuple[Path, ...] = ()
    state_dir: Path | None = None
    exclude: tuple[str, ...] = ()
    further: Tables = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def is_s3(self) -> bool:
        """Whether the backups go to a bucket."""
        return (self.url or "").startswith("s3://")

    def tables(self, *, passphrase_file: Path, secret_file: Path) -> Tables:
        """Return the tables of the configuration.

        Args:
            passphrase_file: where the passphrase will be, if one is used.
            secret_file: where the secret of the storage's key will be, if there is one.
        """
        encryption: dict[str, object] = {"passphrase_file": str(passphrase_file)}
        if self.recipients:
            encryption = {"recipients": list(self.recipients)}
        secret = secret_file if self.access_key_id else None
        made: Tables = {
            "owncloud": _given(root=self.root, url=self.web_url),
            "repository": _given(
                url=self.url,
                region=self.region if self.is_s3 else None,
                endpoint=self.endpoint,
                access_key_id=self.access_key_id,
                secret_access_key_file=secret,
                profile=self.profile,
                ca_file=self.ca_file,
            ),
            "encryption": encryption | _given(key_files=self.key_files),
            "backup": _given(state_dir=self.state_dir, exclude=self.exclude),
        }
        for section, table in self.further.items():
            made[section] = table | made.get(section, {})
        return made


def _given(**values: object) -> dict[str, object]:
    return {name: _plain(value) for name, value in values.items() if value}


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [str(item) for item in value]
    return str(value)

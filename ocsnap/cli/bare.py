"""Options that stand for a configuration file, on a machine that has none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocsnap.errors import ConfigError

if TYPE_CHECKING:
    from ocsnap.config import Config


@dataclass(frozen=True)
class Bare:
    """What the command line says in place of a configuration file.

    Attributes:
        repository: the repository's URL; None: there is a file, and it says all.
        region: see `RepositoryConfig`, as the next ones.
        endpoint: the store's address.
        profile: a profile of ~/.aws.
        access_key_id: the store's key.
        secret_access_key_file: the file with its secret.
        ca_file: certificates.
        passphrase_file: see `EncryptionConfig`, as the next one.
        key_files: exported secret keys.
        state_dir: ocsnap's own folder.
    """

    repository: str | None = None
    region: str | None = None
    endpoint: str | None = None
    profile: str | None = None
    access_key_id: str | None = None
    secret_access_key_file: Path | None = None
    ca_file: Path | None = None
    passphrase_file: Path | None = None
    key_files: tuple[Path, ...] = ()
    state_dir: Path | None = None

    @property
    def is_said(self) -> bool:
        """Whether anything was said."""
        return self != Bare()

    def config(self, *, local: bool = False) -> Config | None:
        """Return the configuration that the options make up.

        Args:
            local: whether no file is to be read, nor a repository, but only ocsnap's own folder.

        Returns:
            It; None where a file is to be read.

        Raises:
            ConfigError: options are missing, or need --repository.
        """
        from ocsnap.config import bare  # noqa: PLC0415 - only where the options are looked at

        named = self.repository
        if named is None and local:
            named = "file:///nowhere"  # such a command never looks at it
        if named is None:
            self._refuse_alone()
            return None
        encryption: dict[str, Any] = _said(passphrase_file=self.passphrase_file)
        if self.key_files:
            encryption["key_files"] = [str(path.absolute()) for path in self.key_files]
        elif local and not encryption:
            encryption = {"key_files": ["/nowhere"]}  # nothing is decrypted
        place = _said(
            region=self.region,
            endpoint=self.endpoint,
            profile=self.profile,
            access_key_id=self.access_key_id,
            secret_access_key_file=self.secret_access_key_file,
            ca_file=self.ca_file,
        )
        return bare(
            {
                "repository": {"url": named, **place},
                "encryption": encryption,
                "backup": _said(state_dir=self.state_dir),
            }
        )

    def _refuse_alone(self) -> None:
        others = (
            self.region,
            self.endpoint,
            self.profile,
            self.access_key_id,
            self.secret_access_key_file,
            self.ca_file,
            self.passphrase_file,
            self.state_dir,
        )
        if self.key_files or any(value is not None for value in others):
            raise ConfigError(
                "Storage and key are taken either from the command line or from the file.",
                hint="Give --repository too, or leave the other options out.",
            )


def _said(**values: object) -> dict[str, Any]:
    """Return what was said, paths whole: the folder that ocsnap is called in is gone later."""
    return {
        key: str(value.absolute()) if isinstance(value, Path) else value
        for key, value in values.items()
        if value is not None
    }

"""The configuration: one TOML file, and what may stand in it."""

from ocsnap.config.file import DEFAULT_PATH, ENVIRONMENT_VARIABLE, load, locate, parse
from ocsnap.config.sections import (
    Config,
    DatabaseConfig,
    EncryptionConfig,
    OwncloudConfig,
    RepositoryConfig,
)

__all__ = [
    "DEFAULT_PATH",
    "ENVIRONMENT_VARIABLE",
    "Config",
    "DatabaseConfig",
    "EncryptionConfig",
    "OwncloudConfig",
    "RepositoryConfig",
    "load",
    "locate",
    "parse",
]

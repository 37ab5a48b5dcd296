"""The configuration: one TOML file, and what may stand in it."""

from ocsnap.config.file import (
    DEFAULT_PATH,
    ENVIRONMENT_VARIABLE,
    UNKNOWN_ROOT,
    bare,
    load,
    locate,
    parse,
)
from ocsnap.config.private_file import is_readable_by_others, read_private
from ocsnap.config.private_folder import make_private
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
    "UNKNOWN_ROOT",
    "Config",
    "DatabaseConfig",
    "EncryptionConfig",
    "OwncloudConfig",
    "RepositoryConfig",
    "bare",
    "is_readable_by_others",
    "load",
    "locate",
    "make_private",
    "parse",
    "read_private",
]

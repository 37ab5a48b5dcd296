"""ocsnap: backups of an ownCloud that are consistent, encrypted and proven to restore."""

__version__ = "0.1.0"

"""Set-ups of ownCloud that a backup must know of: each is handled, told or refused."""

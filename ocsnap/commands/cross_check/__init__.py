"""The files of a snapshot compared with ownCloud's own memory of them, its file cache."""

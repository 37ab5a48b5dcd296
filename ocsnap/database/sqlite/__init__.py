"""SQLite, through its online backup interface."""

"""The ownCloud instance: its config.php, its occ, its users' homes and its maintenance mode."""

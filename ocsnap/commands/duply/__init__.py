"""What a duply profile says, in the words of ocsnap's configuration."""

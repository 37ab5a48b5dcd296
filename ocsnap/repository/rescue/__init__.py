"""What a repository holds for those who have no ocsnap: a script and a page on the format."""

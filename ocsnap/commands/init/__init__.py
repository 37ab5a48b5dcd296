"""`ocsnap init`: from nothing to a configuration that works."""

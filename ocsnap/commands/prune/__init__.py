"""`ocsnap prune`, `ocsnap pin` and `ocsnap unpin`."""

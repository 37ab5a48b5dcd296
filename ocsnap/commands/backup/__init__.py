"""`ocsnap backup`: live passes, the window, the commit."""

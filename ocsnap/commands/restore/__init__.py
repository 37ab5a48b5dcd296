"""`ocsnap restore`: files and databases built beside their places, then swapped in."""

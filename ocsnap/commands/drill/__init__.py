"""A rehearsal of the restore: everything comes back into scratch places, is checked, and goes."""

"""The programs that are compared, each run as its manual says."""

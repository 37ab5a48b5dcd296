"""`ocsnap doctor`: every precondition looked at one by one."""

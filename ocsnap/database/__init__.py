"""Databases: dumped consistently, loaded beside what is there and swapped in when whole."""

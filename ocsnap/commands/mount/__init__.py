"""Snapshots as folders of a read-only file system."""

"""Snapshots of folders: scanned and archived, checked, restored."""

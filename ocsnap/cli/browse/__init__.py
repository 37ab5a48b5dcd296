"""The commands that look into snapshots."""

"""Looking into snapshots: listing, searching, comparing, reading one file."""

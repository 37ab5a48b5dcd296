"""What runs of ocsnap write down of themselves: how far one is, and how the last one ended."""

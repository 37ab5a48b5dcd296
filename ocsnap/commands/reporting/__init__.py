"""What a run tells the world around it: hooks, pings, notifications, metrics."""

"""`ocsnap schedule`: backups that come by themselves, by systemd or by cron."""

"""MySQL from 5.5 on, and MariaDB."""

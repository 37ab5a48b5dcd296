"""`ocsnap restore --user`: one file, one folder or one user, also into the cloud that runs."""

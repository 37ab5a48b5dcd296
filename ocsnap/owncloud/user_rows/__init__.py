"""What ownCloud's database knows of a user, brought from a dump into the database that is in use.

What is missing is inserted; what is there stays as it is. docs/restore-user.md has the table of
decisions, `topics` the same for the code.
"""

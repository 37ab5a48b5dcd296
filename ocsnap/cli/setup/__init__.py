"""The commands that set ocsnap up and see that it goes on: init, doctor, schedule."""

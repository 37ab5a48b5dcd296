"""Runs `ocsnap` as `python -m ocsnap`."""

from ocsnap.cli.main import main

main()

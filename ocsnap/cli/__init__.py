"""The command line: parses, renders, exits. Nothing below this layer prints or exits."""

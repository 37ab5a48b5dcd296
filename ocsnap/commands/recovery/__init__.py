"""The recovery sheet: what must be on paper when the machine is lost."""

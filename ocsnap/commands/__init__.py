"""The use cases: each composes the layers below into one thing that an admin asks for."""

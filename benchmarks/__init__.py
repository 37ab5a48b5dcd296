"""Benchmarks: what each measures is said in its own file."""

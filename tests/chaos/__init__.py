"""Fault injection: `python -m tests.chaos`, or `make chaos`."""

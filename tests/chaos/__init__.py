"""Breaking everything on purpose: `python -m tests.chaos`, or `make chaos`."""

"""The environment variables of an installation. `variables/` lists them, for reading, validation and documentation."""

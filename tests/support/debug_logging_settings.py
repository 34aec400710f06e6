"""Settings whose loggers all log at DEBUG, for tests/security/test_secrets_of_an_installation.py."""

from tests.settings import *  # noqa: F403  (these settings extend the tests')
from tests.settings import LOGGING

LOGGING["root"]["level"] = "DEBUG"
for logger in LOGGING["loggers"].values():
    logger["level"] = "DEBUG"

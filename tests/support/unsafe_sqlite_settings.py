"""Settings with an unsafe SQLite configuration, for tests/ops/doctor/test_command.py."""

from tests.settings import *  # noqa: F403  (these settings extend the tests')
from tests.settings import DATABASES

DATABASES["default"]["OPTIONS"] |= {"init_command": "PRAGMA journal_mode=DELETE; PRAGMA synchronous=OFF;"}

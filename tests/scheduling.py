"""The order and the pieces in which the workers of pytest-xdist take the tests.

Tests that take long begin, so that no worker is left alone with one at the end. The browser's tests follow each other,
because they share a browser and an installation in each worker. Files with tests that need the machine for themselves
come last, when no other test has to wait for them.
"""

from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parent.parent
BROWSER = "tests/browser/"
LONG = (
    "tests/chaos/",
    "tests/test_two_machines.py",
    "tests/test_image.py",
    "tests/test_deploy.py",
    "tests/test_secrets.py",
    "tests/test_backup.py",
    "tests/test_histories.py",
)


class Scheduling(LoadScopeScheduling):
    """Hand out the tests in the order of the collection; a file whose tests share fixtures goes to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return nodeid if starts_installations(file) and not shares_fixtures(file) else file


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return the tests in the order in which the workers take them."""
    alone = {file_of(item) for item in items if is_alone(item)}
    sizes = Counter(map(file_of, items))

    def place(item: pytest.Item) -> tuple:
        file = file_of(item)
        group = 3 if file in alone else 2 if file.startswith(BROWSER) else 0 if file.startswith(LONG) else 1
        return group, not starts_installations(file), -sizes[file], file, is_alone(item)

    return sorted(items, key=place)


def file_of(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def is_alone(item: pytest.Item) -> bool:
    return item.get_closest_marker("alone") is not None


@cache
def starts_installations(file: str) -> bool:
    return "Installation(" in (ROOT / file).read_text()


@cache
def shares_fixtures(file: str) -> bool:
    return file.startswith(BROWSER) or 'scope="module"' in (ROOT / file).read_text()

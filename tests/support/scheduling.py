"""Order the tests and divide them among the workers of pytest-xdist.

Tests that take long begin, so that no worker is left alone with one at the end. Half of the workers begin with the
browser's tests, which keep the processors busy, the others with the rest, which mostly waits. Each worker keeps to its
kind while there is any: the browser's tests share a browser and an installation in each worker. Files with tests that
need the machine for themselves come last, when no other test has to wait for them.
"""

from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

ROOT = Path(__file__).resolve().parents[2]
BROWSER = "tests/browser/"
LONG = (
    "tests/browser/test_main_job.py",
    "tests/browser/test_accessibility.py",
    "tests/browser/test_notifications.py",
    "tests/system/test_database_outage.py",
    "tests/system/test_provider_outage.py",
    "tests/chaos/",
    "tests/system/test_two_machines.py",
    "tests/deploy/test_image.py",
    "tests/deploy/test_proxies.py",
    "tests/security/test_secrets_of_an_installation.py",
    "tests/ops/backup/test_backup.py",
    "tests/models/test_generation_histories.py",
)


class Scheduling(LoadScopeScheduling):
    """Hand out the tests in the order of the collection; a file whose tests share fixtures goes to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return nodeid if starts_installations(file) and not shares_fixtures(file) else file

    def _assign_work_unit(self, node: WorkerController) -> None:
        number = int(node.gateway.id.removeprefix("gw"))
        begins_with_browser = number % 2 == 0
        scopes = (scope for scope in self.workqueue if scope.startswith(BROWSER) == begins_with_browser)
        if (scope := next(scopes, None)) is not None:
            self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return the tests in the order in which the workers take them."""
    alone = {file_of(item) for item in items if is_alone(item)}
    sizes = Counter(map(file_of, items))

    def place(item: pytest.Item) -> tuple:
        file = file_of(item)
        group = 2 if file in alone else 0 if file.startswith(LONG) else 1
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

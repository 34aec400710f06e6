"""Find the tests that use the database or the queue, which `make test-servers` repeats.

A test uses them if it asks pytest-django for the database, without which no connection can be opened, or if its code or
its fixtures can start a process, which opens other connections.
"""

import subprocess
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType

import pytest

FIXTURES = {"db", "transactional_db", "live_server", "django_db_reset_sequences", "django_db_serialized_rollback"}
HERE = __name__.partition(".")[0]
# The processes that these start import nothing of the product (tests/test_architecture.py), and so open no connection.
APART = ("tests/sandbox/",)
# They run for every test, and start no process that outlasts them.
FOR_ALL = (f"{HERE}.conftest", f"{HERE}.support.prepared_data")


def uses_database(item: pytest.Item) -> bool:
    """Return True if a test may open a connection to the database or the queue."""
    if item.get_closest_marker("django_db") or FIXTURES & set(item.fixturenames):
        return True
    if item.nodeid.startswith(APART):
        return False
    fixtures = (fixture.func for defined in item._fixtureinfo.name2fixturedefs.values() for fixture in defined)
    return can_start_a_process(item.function, *filter(_is_ours, fixtures))


def can_start_a_process(*functions: Callable) -> bool:
    """Return True if one of these functions, or a function or class of the tests that it names, names `subprocess`."""
    known: set[Callable] = set()
    left = list(functions)
    while left:
        function = left.pop()
        for found in _named_in(function):
            if found is subprocess or getattr(found, "__module__", None) == "subprocess":
                return True
            if isinstance(found, type | FunctionType) and _is_ours(found) and found not in known:
                known.add(found)
                left.append(found)
    return False


def _is_ours(found: object) -> bool:
    module = getattr(found, "__module__", None) or getattr(found, "__name__", "")
    return module.partition(".")[0] == HERE and module not in FOR_ALL


def _named_in(found: object) -> Iterator[object]:
    """Yield what the code of a function, or of the methods and bases of a class, names."""
    if isinstance(found, type):
        yield from found.__bases__
        yield from (getattr(value, "__func__", getattr(value, "fget", value)) for value in vars(found).values())
    elif isinstance(found, FunctionType):
        names = set(_names(found.__code__))
        for name in names & found.__globals__.keys():
            yield (value := found.__globals__[name])
            if isinstance(value, ModuleType) and _is_ours(value):
                yield from (getattr(value, attribute) for attribute in names & vars(value).keys())
        # A decorator keeps the function in its closure, hypothesis in an attribute.
        yield from (cell.cell_contents for cell in found.__closure__ or ())
        yield getattr(getattr(found, "hypothesis", None), "inner_test", None)


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names in a function's code, those in the functions inside it included."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)

"""Which tests `make test-servers` repeats beside PostgreSQL and Redis."""

import subprocess
import sys
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import installation
from .database_use import can_start_a_process, uses_database
from .installation import Installation, Visitor


def starts_one():
    subprocess.run([sys.executable, "--version"])


def starts_one_by_a_helper():
    return [starts_one() for _ in range(2)]


def starts_an_installation(tmp_path):
    def later():
        return Installation(tmp_path)

    return later


def starts_one_of_a_module(tmp_path):
    return installation.Installation(tmp_path)


@contextmanager
def while_one_runs():
    yield starts_one()


@given(st.integers())
def starts_one_for_each_example(number):
    starts_one()


class Starter:
    @property
    def process(self):
        return starts_one()


class InheritsIt(Starter):
    pass


def starts_one_by_a_base_class():
    return InheritsIt().process


def starts_none():
    return [Visitor.__name__, str(sys.version_info), pytest.approx(1)]


@pytest.mark.parametrize(
    "function",
    [
        starts_one,
        starts_one_by_a_helper,
        starts_an_installation,
        starts_one_of_a_module,
        while_one_runs,
        starts_one_for_each_example,
        starts_one_by_a_base_class,
    ],
)
def test_a_test_that_can_start_a_process_is_repeated(function):
    assert can_start_a_process(function)


def test_a_test_that_starts_nothing_is_not_repeated(request):
    assert not can_start_a_process(starts_none)


def test_a_test_that_asks_for_the_database_is_repeated(request, db):
    assert uses_database(request.node)


@pytest.mark.django_db(transaction=True)
def test_a_test_that_is_marked_for_the_database_is_repeated(request):
    assert uses_database(request.node)


@pytest.fixture
def process():
    return starts_one


def test_a_test_whose_fixture_can_start_a_process_is_repeated(request, process):
    assert uses_database(request.node)

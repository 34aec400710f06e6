"""`.env.example` and the documentation agree with the table of variables."""

import pytest

from lumaweb.environment import env_file, reference
from lumaweb.environment.variables import SECTIONS, VARIABLES

from ...support.installation import ROOT

AGAIN = "run: python -m lumaweb.environment"


def test_the_example_is_that_of_the_table():
    assert (ROOT / ".env.example").read_text() == reference.env_example(), AGAIN


def test_the_example_has_each_variable_as_a_comment_and_an_example_that_can_be_read(tmp_path):
    assert env_file.parse(ROOT / ".env.example") == {}
    lines = [line.removeprefix("#") for line in (ROOT / ".env.example").read_text().splitlines()]
    file = tmp_path / ".env"
    file.write_text("\n".join(line for line in lines if line.partition("=")[0] in VARIABLES))
    assert env_file.parse(file).keys() == VARIABLES.keys()


@pytest.mark.parametrize("page", sorted({section.page for section in SECTIONS}))
def test_the_tables_of_the_documentation_are_those_of_the_variables(page):
    text = (ROOT / page).read_text()
    assert reference.with_tables(page, text) == text, AGAIN


def test_each_variable_is_in_one_section():
    assert len(VARIABLES) == sum(len(section.variables) for section in SECTIONS)

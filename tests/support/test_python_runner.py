"""Python in an installation runs as if each call started a separate process."""

import pytest

from .installation import Installation, PythonLines

MEMBERS = "from videos.models import Member\nprint(*Member.objects.values_list('username', flat=True))"


@pytest.fixture
def lines(tmp_path):
    site = Installation(tmp_path / "site")
    site.migrate()
    return PythonLines(site.env)


def test_each_call_sees_the_writes_of_the_previous_one(lines):
    assert lines.run(MEMBERS) == ""
    lines.run("from videos.models import Member\nMember.objects.create_user('ada')")
    assert lines.run(MEMBERS) == "ada"


def test_no_call_shares_names_or_modules_with_another(lines):
    lines.run("import videos.urls\nfound = 1")
    assert lines.run("import sys\nprint('videos.urls' in sys.modules, 'found' in globals())") == "False False"


def test_an_error_fails_its_call_and_not_the_next(lines):
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        lines.run("1 / 0")
    with pytest.raises(AssertionError, match="ended its process: 3"):
        lines.run("import os\nos._exit(3)")
    assert lines.run("print(2)") == "2"


def test_a_function_sees_the_other_names_of_its_code(lines):
    assert (
        lines.run("import math\ndef half():\n    return math.pi / 2\nprint([round(half()) for _ in 'ab'])") == "[2, 2]"
    )


def test_another_environment_needs_another_process(lines):
    assert lines.serves(lines.env.copy())
    assert not lines.serves(lines.env | {"LUMAWEB_DEBUG": "1"})


def test_the_process_ends_with_its_last_reference(tmp_path):
    lines = PythonLines(Installation(tmp_path / "site").env)
    process = lines.process
    assert lines.run("print(1)") == "1"
    del lines
    assert process.returncode == 0

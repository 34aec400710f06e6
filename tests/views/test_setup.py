"""The page that creates the first admin."""

import re

import pytest

from videos.forms import SetupForm
from videos.models import Member
from videos.views.account import setup_code

pytestmark = pytest.mark.django_db


FIRST = {"username": "eve", "password1": "correct-horse-9", "password2": "correct-horse-9"}


@pytest.fixture
def beyond_loopback(settings):
    settings.ON_LOOPBACK = False
    return settings


def test_beyond_loopback_the_first_admin_needs_the_setup_code(client, beyond_loopback):
    assert 'name="code"' in client.get("/setup/").content.decode()
    for wrong in ("", "guess", "\u00e9"):
        assert client.post("/setup/", FIRST | {"code": wrong}).status_code == 422
    assert client.post("/setup/", FIRST | {"code": setup_code()}).status_code == 302
    assert Member.objects.get().is_superuser


def test_an_empty_setup_code_is_refused(beyond_loopback):
    assert "code" in SetupForm(FIRST, code="").errors


def test_every_machine_of_one_installation_has_the_same_setup_code(beyond_loopback, tmp_path):
    code = setup_code()
    assert re.fullmatch("[0-9a-f]{8}", code)
    beyond_loopback.DATA_DIR = tmp_path
    assert setup_code() == code
    beyond_loopback.SECRET_KEY = "another-installation-s"
    assert setup_code() != code


@pytest.mark.parametrize(("given", "kept"), [(" Eve\n Łuczak ", "Eve Łuczak"), ("", "")])
def test_the_first_admin_may_give_a_first_name(client, given, kept):
    assert client.post("/setup/", FIRST | {"first_name": given}).status_code == 302
    assert Member.objects.get().first_name == kept

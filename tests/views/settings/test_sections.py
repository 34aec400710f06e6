"""The side list of the settings area."""

import re

import pytest

from ...support.factories import a_member, an_admin

pytestmark = pytest.mark.django_db


def entries(client, path: str) -> dict[str, str]:
    """Return the labels of the side list with their aria-current."""
    html = client.get(path).content.decode()
    nav = re.search(r'<nav class="settings-nav".*?</nav>', html, re.DOTALL)[0]
    links = re.findall(r"<a ([^>]*)>(.*?)</a>", nav, re.DOTALL)
    current = re.compile(r'aria-current="(\w+)"')
    return {
        re.sub(r"<[^>]*>", "", text).strip(): (current.search(attributes) or ["", ""])[1] for attributes, text in links
    }


def test_an_admin_finds_every_page_from_every_page(client):
    client.force_login(an_admin())
    listed = list(entries(client, "/profile/"))
    assert {"Profile", "Team", "Budget"} < set(listed)
    for path in ("/team/", "/team/budget/", "/team/changes/", "/team/shares/", "/provider/missing/"):
        assert list(entries(client, path)) == listed


def test_a_member_finds_the_pages_that_members_may_open(client):
    client.force_login(a_member("ben"))
    assert list(entries(client, "/team/")) == list(entries(client, "/profile/")) == ["Profile", "Team"]


@pytest.mark.parametrize(
    ("path", "label", "current"),
    [("/profile/", "Profile", "page"), ("/team/", "Team", "page"), ("/team/changes/", "Team", "true")],
)
def test_the_list_marks_where_the_reader_is(client, path, label, current):
    client.force_login(an_admin())
    assert {name: value for name, value in entries(client, path).items() if value} == {label: current}

"""Every control that costs is marked as such: `paid-controls.js` knows them by `data-paid` and by nothing else."""

import re
from pathlib import Path

import pytest

from .factories import a_member

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
# A POST to one of these creates videos.
PAID = ("{% url 'generations' %}", "{{ page }}retries/")
FORMS = {
    f"{path.relative_to(TEMPLATES)} {number}": form
    for path in TEMPLATES.rglob("*.html")
    for number, form in enumerate(re.findall(r"<form\b.*?(?:</form>|\Z)", path.read_text(), re.DOTALL), 1)
}


def address_of(form: str) -> str:
    found = re.search(r'\baction="([^"]*)"', form)
    return found.group(1) if found else ""


def buttons_of(form: str) -> list[str]:
    return re.findall(r"<button\b[^>]*>", form)


def test_there_are_forms_that_cost():
    assert {address_of(form) for form in FORMS.values()} >= set(PAID)


@pytest.mark.parametrize("name", [name for name, form in FORMS.items() if address_of(form) in PAID])
def test_every_button_that_submits_a_form_that_costs_is_marked(name):
    submitting = [
        button for button in buttons_of(FORMS[name]) if 'type="submit"' in button and "formaction" not in button
    ]
    assert submitting
    assert [button for button in submitting if not re.search(r"\bdata-paid\b", button)] == []


def test_the_buttons_of_the_form_s_parts_are_marked_too():
    part = (TEMPLATES / "videos" / "_already_requested.html").read_text()
    assert [button for button in buttons_of(part) if "data-paid" not in button] == []


@pytest.mark.parametrize("name", [name for name, form in FORMS.items() if address_of(form) not in PAID])
def test_no_other_button_is_marked(name):
    assert "data-paid" not in FORMS[name]


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/usage/", "/trash/", "/collections/", "/team/"])
def test_every_page_of_a_member_brings_the_script(client, path):
    client.force_login(a_member())
    assert "js/paid-controls" in client.get(path, follow=True).content.decode()

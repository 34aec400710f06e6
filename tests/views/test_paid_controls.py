"""Every paid control has `data-paid`, by which `paid-controls.js` finds it."""

import re
from pathlib import Path

import pytest

from ..support.factories import a_member

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
# A POST to one of these creates videos.
PAID = {"{% url 'generations' %}", "{{ page }}retries/", "{% url 'selection-retries' %}"}
FORMS = {
    f"{path.relative_to(TEMPLATES)} {number}": form
    for path in TEMPLATES.rglob("*.html")
    for number, form in enumerate(re.findall(r"<form\b.*?(?:</form>|\Z)", path.read_text(), re.DOTALL), 1)
}


def attribute(name: str, tag: str) -> str:
    found = re.search(rf'\b{name}="([^"]*)"', tag)
    return found.group(1) if found else ""


def buttons_of(form: str) -> list[str]:
    return re.findall(r"<button\b[^>]*>", form)


def paid_buttons_of(form: str) -> list[str]:
    """Return the buttons that submit to a paid URL, the form's or the button's own."""
    return [
        button
        for button in buttons_of(form)
        if 'type="submit"' in button and (attribute("formaction", button) or attribute("action", form)) in PAID
    ]


def test_every_paid_url_has_buttons():
    addresses = {
        attribute("formaction", button) or attribute("action", form)
        for form in FORMS.values()
        for button in paid_buttons_of(form)
    }
    assert addresses == PAID


@pytest.mark.parametrize("name", FORMS)
def test_exactly_the_paid_buttons_are_marked(name):
    marked = [button for button in buttons_of(FORMS[name]) if re.search(r"\bdata-paid\b", button)]
    assert marked == paid_buttons_of(FORMS[name])


def test_the_paid_buttons_in_fragments_of_the_form_are_marked():
    part = (TEMPLATES / "studio" / "_already_requested.html").read_text()
    assert [button for button in buttons_of(part) if "data-paid" not in button] == []


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/usage/", "/trash/", "/collections/", "/team/"])
def test_every_page_of_a_member_loads_the_script(client, path):
    client.force_login(a_member())
    assert "js/paid-controls" in client.get(path, follow=True).content.decode()

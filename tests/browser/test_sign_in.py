"""Sign in with an OpenID provider, link an account, and look at the settings of sign-in and mail."""

import re

import pytest
from playwright.sync_api import Page, expect

from ..support.installation import PASSWORD, Installation
from ..support.openid_provider import CLIENT_ID, CLIENT_SECRET, OpenIDProvider
from .axe import NARROW, WIDE, violations


@pytest.fixture(scope="module")
def provider():
    provider = OpenIDProvider()
    provider.asks = True
    yield provider
    provider.stop()


@pytest.fixture(scope="module")
def openid_site(provider, tmp_path_factory):
    """Start an installation whose members can sign in with the provider."""
    site = Installation(
        tmp_path_factory.mktemp("openid"),
        LUMAWEB_OIDC_ISSUER=provider.issuer,
        LUMAWEB_OIDC_CLIENT_ID=CLIENT_ID,
        LUMAWEB_OIDC_CLIENT_SECRET=CLIENT_SECRET,
        LUMAWEB_OIDC_NAME="Acme",
        LUMAWEB_OIDC_DOMAINS="films.example",
        LUMAWEB_EMAIL_URL="smtp+insecure://127.0.0.1:9",
        LUMAWEB_EMAIL_FROM="Lumaweb <films@films.example>",
    ).start(only=("web",))
    yield site
    site.stop()


def looks_right(page: Page) -> list[str]:
    """Return what axe, a narrow window or a wide one finds wrong about a page, in both themes."""
    wrong = []
    for viewport in (NARROW, WIDE):
        page.set_viewport_size(viewport)
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            wrong += violations(page)
        width = page.evaluate("document.documentElement.scrollWidth")
        wrong += [f"{width} px wide"] if width > viewport["width"] else []
    return wrong


@pytest.mark.parametrize("javascript", [True, False], ids=["with-js", "without-js"])
def test_a_member_links_an_account_and_signs_in_with_it(openid_site, provider, open_page, javascript):
    page = open_page(openid_site, "ada", java_script_enabled=javascript)
    provider.claims["sub"] = f"ada-{javascript}"
    page.goto(f"{openid_site.url}/login/?next=/profile/")
    found = looks_right(page) if javascript else []
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name=re.compile("Link (Acme|another account)")).click()
    page.get_by_role("button", name="Continue as Ada").click()
    expect(page.get_by_role("heading", name="Link this account?")).to_be_visible()
    page.get_by_role("button", name="Link account").click()
    expect(page.get_by_label("Current password")).to_have_attribute("aria-invalid", "true")
    found += looks_right(page) if javascript else []
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("button", name="Link account").click()
    expect(page.get_by_text("Linked. You can sign in with Acme.")).to_be_visible()
    found += looks_right(page) if javascript else []
    page.context.clear_cookies()
    page.goto(f"{openid_site.url}/team/")
    page.get_by_role("link", name="Sign in with Acme").click()
    page.get_by_role("button", name="Continue as Ada").click()
    page.wait_for_url(f"{openid_site.url}/team/")
    assert found == []


def test_a_new_person_joins_and_a_stranger_reads_what_to_ask_for(openid_site, provider, open_page):
    page = open_page(openid_site, "eve")
    provider.claims |= {"sub": "eve", "email": "eve@other.example"}
    page.goto(f"{openid_site.url}/login/")
    page.get_by_role("link", name="Sign in with Acme").click()
    page.get_by_role("button", name="Continue as Ada").click()
    expect(page.get_by_text("Ask an admin for one.")).to_be_visible()
    assert looks_right(page) == []
    provider.claims["email"] = "eve@films.example"
    page.get_by_role("link", name="Back to the sign-in").click()
    page.get_by_role("link", name="Sign in with Acme").click()
    page.get_by_role("button", name="Continue as Ada").click()
    page.wait_for_url(f"{openid_site.url}/")


def test_an_admin_checks_sign_in_and_mail(openid_site, provider, sign_in):
    page = sign_in(openid_site, "ada")
    page.goto(f"{openid_site.url}/settings/sign-in/")
    expect(page.locator("#redirect-uri")).to_have_text(f"{openid_site.url}/oidc/callback/")
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text(f"The discovery document is of {provider.issuer}.")).to_be_visible()
    found = looks_right(page)
    page.get_by_role("navigation", name="Settings").get_by_role("link", name="Mail").click()
    page.get_by_label("Email address").fill("ada@films.example")
    page.get_by_role("button", name="Send test").click()
    expect(page.get_by_role("alert")).to_contain_text("127.0.0.1:9 cannot be reached: Connection refused.")
    assert found + looks_right(page) == []


def test_a_one_time_link_asks_before_it_signs_in(openid_site, open_page):
    link = openid_site.python(
        "from videos.models import Member\nfrom videos.sign_in_links import Purpose, path_for\n"
        "print(path_for(Member.objects.get(username='ada'), Purpose.SIGN_IN))"
    ).strip()
    page = open_page(openid_site, "ada")
    page.goto(openid_site.url + link)
    assert looks_right(page) == []
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{openid_site.url}/")
    assert page.goto(openid_site.url + link).status == 404
    assert looks_right(page) == []
    assert link.split("/")[2] not in openid_site.log.read_text()

"""A reused browser context keeps its cache and nothing else."""

import re

import pytest

STORE = """async () => {
    localStorage.setItem("draft", "half a thought");
    sessionStorage.setItem("place", "here");
    document.cookie = "crumb=1";
    await caches.open("films");
    await new Promise((done, failed) =>
        Object.assign(indexedDB.open("films"), { onsuccess: done, onerror: failed }));
}"""
STORED = """async () => [
    localStorage.length, sessionStorage.length, document.cookie,
    await caches.keys(), await indexedDB.databases(),
    (await navigator.permissions.query({ name: "geolocation" })).state,
]"""
FETCHED = """() => performance.getEntriesByType("resource")
    .filter(({ name, transferSize }) => name.includes("/static/") && transferSize).length"""


def test_a_reused_context_keeps_nothing_of_the_previous_test(site, contexts):
    with contexts.use(site.url) as context:
        first, page, other = context, context.new_page(), context.new_page()
        page.goto(f"{site.url}/robots.txt")
        untouched = page.evaluate(STORED)
        page.evaluate(STORE)
        context.grant_permissions(["geolocation"])
        assert [a == b for a, b in zip(page.evaluate(STORED), untouched, strict=True)] == [False] * len(untouched)
        assert not other.is_closed()
    with contexts.use(site.url) as context:
        assert context is first and len(context.pages) == 1
        page = context.new_page()
        page.goto(f"{site.url}/robots.txt")
        assert page.evaluate(STORED) == untouched
        assert context.cookies() == []


def test_no_two_tests_share_a_context_at_the_same_time(site, contexts):
    with contexts.use(site.url) as one, contexts.use(site.url) as other:
        assert one is not other


@pytest.mark.parametrize("options", [{"java_script_enabled": False}, {"has_touch": True}])
def test_a_context_with_other_options_is_another(site, contexts, options):
    with contexts.use(site.url) as context:
        plain = context
    with contexts.use(site.url, **options) as context:
        assert context is not plain


def test_a_first_visit_fetches_files_that_later_ones_have_cached(site, sign_in):
    sign_in(site, "ada")
    sign_in(site, "ben").goto(f"{site.url}/team/")
    assert sign_in(site, "ada", first_visit=True).evaluate(FETCHED) > 10


def test_the_cache_stays_with_the_context(site, contexts, sign_in):
    first = sign_in(site, "ada", first_visit=True).evaluate(FETCHED)
    with contexts.use(site.url) as context:
        for _ in range(2):
            context.new_page().goto(f"{site.url}/login/", wait_until="networkidle")
    with contexts.use(site.url) as context:
        page = context.new_page()
        page.goto(f"{site.url}/login/", wait_until="networkidle")
        # Chromium fetches the few files again whose cache entries it was still writing when a page closed.
        assert page.evaluate(FETCHED) < first / 4


def test_a_member_whom_an_earlier_test_signed_out_is_signed_in_again(site, sign_in):
    page = sign_in(site, "ben")
    page.get_by_role("button", name="Account of ben").click()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(re.compile("/login/"))
    assert sign_in(site, "ben").url == f"{site.url}/"

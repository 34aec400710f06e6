"""A panel that a member opens is scrolled into view; one that can be seen stays in place."""

from playwright.sync_api import expect

IN_VIEW = """one => {
    const {top, bottom} = one.getBoundingClientRect(), header = document.querySelector(".top").offsetHeight;
    return one.open && top >= header && (bottom <= innerHeight || top <= header + 24);
}"""
TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def test_an_opened_panel_can_be_seen(site, shown, sign_in):
    page = sign_in(site, "ada", viewport={"width": 1024, "height": 640})
    page.goto(f"{site.url}/usage/")
    panel = page.locator("details", has_text="As a table").first
    summary = panel.locator("summary")
    # The summary is at the lower edge of the window.
    page.evaluate("top => scrollTo(0, scrollY + top - innerHeight + 40)", summary.bounding_box()["y"])
    before = page.evaluate("scrollY")
    assert summary.bounding_box()["y"] > 590
    summary.click()
    page.wait_for_function(IN_VIEW, arg=panel.element_handle())
    assert page.evaluate("scrollY") > before
    # In view already, it does not move.
    summary.click()
    expect(panel).not_to_have_attribute("open", "")
    before = page.evaluate("scrollY")
    summary.press("Enter")
    expect(panel).to_have_attribute("open", "")
    page.evaluate(TWO_FRAMES)
    assert page.evaluate("scrollY") == before

"""The main job by keyboard alone, and as a screen reader announces it."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.motion


def test_the_main_job_by_keyboard_alone(site, sign_in):
    page = sign_in(site, "ada")
    page.mouse.move(0, 0)

    def tab_to(name: str, role: str = "", most: int = 60) -> None:
        for _ in range(most):
            page.keyboard.press("Tab")
            focused = page.evaluate(
                """() => {
                    const one = document.activeElement;
                    const label = document.getElementById(one.getAttribute("aria-labelledby"))?.innerText ?? "";
                    return [one.getAttribute("aria-label") || one.labels?.[0]?.innerText || one.innerText || "", label];
                }"""
            )
            if name in focused[0] + focused[1]:
                outline = page.evaluate(
                    """() => { let one = document.activeElement; const seen = [];
                        for (; one && seen.length < 3; one = one.parentElement) { const style = getComputedStyle(one);
                            seen.push(style.outlineStyle !== "none" || style.boxShadow !== "none"); }
                        return seen.some(Boolean); }"""
                )
                assert outline, f"the focus on {name} cannot be seen"
                return
        raise AssertionError(f"{name} is not reached by Tab")

    tab_to("Skip to the content")
    tab_to("Prompt")
    page.keyboard.type("Only by keyboard")
    page.keyboard.press("Control+Enter")
    card = page.locator(".card", has_text="Only by keyboard").first
    expect(card.locator("video-preview img")).to_be_visible(timeout=40_000)
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    tab_to("Only by keyboard")
    tab_to("Extend")
    page.keyboard.press("Enter")
    expect(page.locator("#video-form .source")).to_contain_text("Only by keyboard")
    expect(page.get_by_role("textbox", name="Prompt")).to_be_focused()
    page.keyboard.type("And on")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".card", has_text="And on").first).to_be_visible()


def test_a_screen_reader_announces_the_main_job(site, sign_in):
    page = sign_in(site, "ben")
    tree = page.locator("body").aria_snapshot()
    for line in (
        r'link "Skip to the content"',
        r"banner:",
        r'searchbox "Search videos"',
        r'button "Account of ben"',
        r"main:",
        r'heading "Studio" \[level=1\]',
        r'region "New video"',
        r'group "Mode"',
        r'radio "Text" \[checked\]',
        r'textbox "Prompt"',
        r'radiogroup "Aspect ratio"',
        r'radio "16:9" \[checked\]',
        r'button "Generate',
        r'region "Videos"',
        r'navigation "Filters"',
        r"heading \"(Today|Yesterday)\" \[level=2\]",
    ):
        assert re.search(line, tree), f"{line} is missing in\n{tree[:6000]}"
    page.get_by_role("textbox", name="Prompt").fill("Told of it")
    page.get_by_role("button", name=re.compile("^Generate")).click()
    expect(page.locator("#announcer")).to_contain_text(re.compile("queue|Sent"))
    expect(page.locator("#announcer")).to_contain_text("Your video is ready.", timeout=40_000)
    card = page.get_by_role("listitem").filter(has_text="Told of it").first
    told = card.aria_snapshot()
    for line in (r'link "Told of it"', r'checkbox "Select"', r'button "Star"', r'link "Extend"', r'link "More"'):
        assert re.search(line, told), f"{line} is missing in\n{told}"


def test_messages_of_one_moment_are_all_announced(site, sign_in):
    page = sign_in(site, "ben")
    page.wait_for_function("Boolean(customElements.get('toast-region'))")
    page.evaluate(
        """for (const detail of ["A new video by ada", "Your video is ready.", "Your video is ready."])
            document.dispatchEvent(new CustomEvent("announce", { detail }))"""
    )
    expect(page.locator("#announcer p")).to_have_text(["A new video by ada", "Your video is ready."])

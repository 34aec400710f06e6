"""Find controls that a part of the page which stays in place covers, or that cannot be scrolled into sight."""

from playwright.sync_api import Page

COVERED = """() => {
    const stays = (one) => {
        for (; one; one = one.parentElement)
            if (["fixed", "sticky"].includes(getComputedStyle(one).position)) return one;
        return null;
    };
    const middle = (from, to, end) => (Math.max(from, 0) + Math.min(to, end)) / 2;
    const controls = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
    const found = [];
    // Controls behind an open menu or dialog are not in use.
    const root = document.querySelector(":popover-open, dialog[open]") ?? document;
    for (const one of root.querySelectorAll(controls)) {
        if (one.tabIndex < 0 || one.closest("[inert]") || !one.checkVisibility({visibilityProperty: true})) continue;
        one.focus();
        if (document.activeElement !== one) continue;
        const {left, right, top, bottom, width, height} = one.getBoundingClientRect();
        if (width < 2 || height < 2) continue;
        if (bottom <= 0 || top >= innerHeight || right <= 0 || left >= innerWidth) {
            found.push(`out of sight: ${one.outerHTML.slice(0, 120)}`);
            continue;
        }
        const hit = document.elementFromPoint(middle(left, right, innerWidth), middle(top, bottom, innerHeight));
        const cover = stays(hit);
        if (cover && !cover.contains(one))
            found.push(`${cover.id || cover.className} covers ${one.outerHTML.slice(0, 120)}`);
    }
    return found;
}"""


def covered(page: Page) -> list[str]:
    """Focus each control that can be seen; return those that are out of sight or behind a fixed or sticky part."""
    return page.evaluate(COVERED)

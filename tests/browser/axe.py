"""The rules of axe, run on a page at two widths."""

from axe_playwright_python.base import AXE_SCRIPT

WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}

# Spinners never stop.
AT_REST = """() => document.getAnimations().every(
    (one) => one.playState !== "running" || one.effect.getComputedTiming().iterations === Infinity)"""

# Without preload: for a style sheet that imports another, axe writes an inline one, which the policy reports.
RUN_AXE = "async () => (await axe.run({preload: false, resultTypes: ['violations']})).violations"


def violations(page) -> list[str]:
    # Colours are judged at rest, not halfway through a transition.
    page.emulate_media(reduced_motion="reduce")
    page.wait_for_function(AT_REST)
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate(RUN_AXE)
    return [f"{one['id']}: {node['html'][:160]}" for one in found for node in one["nodes"]]

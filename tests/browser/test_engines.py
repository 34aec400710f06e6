"""The main job in Firefox and WebKitGTK: make, play, extend, search and select."""

import pytest

from ..support.installation import PASSWORD
from .engines import firefox, webkit

ENTER, ESCAPE, SHIFT, CONTROL = "\ue007", "\ue00c", "\ue008", "\ue009"
# Errors of scripts, kept across the pages of the tab.
LISTEN = """
addEventListener("error", ({message}) => { sessionStorage.errors = (sessionStorage.errors ?? "") + message + "\\n" });
addEventListener("unhandledrejection", ({reason}) => {
    sessionStorage.errors = (sessionStorage.errors ?? "") + reason + "\\n";
});
"""
PLAYED = "(() => { const video = $(arguments[0]); return video && video.currentTime > 0.3 && video.videoWidth })()"


@pytest.mark.parametrize("engine", [firefox, webkit])
def test_other_engines_make_play_extend_search_and_select(engine, site):
    with engine() as browser:
        browser.open(f"{site.url}/login/")
        browser.type("[name=username]", "ada")
        browser.type("[name=password]", PASSWORD + ENTER)
        browser.wait("$('#prompt')")
        browser.run(LISTEN)

        prompt = f"A lighthouse in {engine.__name__}"
        made = make(browser, prompt)
        play(browser, made)
        extended = extend(browser, made, f"The light goes out in {engine.__name__}")
        search(browser, prompt, made)
        select(browser, made, extended)
        assert browser.run("return sessionStorage.errors ?? ''") == ""


def make(browser, prompt: str) -> str:
    """Write a prompt, generate, and return the UUID of the card when its video is saved."""
    browser.type("#prompt", prompt)
    browser.type("#prompt", CONTROL + ENTER)
    return saved(browser, prompt)


def saved(browser, prompt: str) -> str:
    card = "[...document.querySelectorAll('.card')].find((one) => one.innerText.includes(arguments[0]))"
    poster = f"{card}?.querySelector('video-preview img')"
    return browser.wait(f"{poster}?.naturalWidth && {card}.id.slice('generation-'.length)", prompt)


def play(browser, uuid: str) -> None:
    """Play the video in the gallery by focus, stop it by its key, then play it in the dialog, and close that."""
    link = f"#generation-{uuid} .card-link"
    browser.type(link, SHIFT)
    browser.wait(PLAYED, f"#generation-{uuid} video")
    browser.type(link, " ")
    browser.wait("!$(arguments[0])", f"#generation-{uuid} video")
    browser.click(link)
    browser.wait("$('#video-dialog').open && location.pathname.startsWith('/generations/')")
    browser.wait("$('#video-dialog video')?.readyState > 1")
    browser.run("const video = document.querySelector('#video-dialog video'); video.muted = true; video.play()")
    browser.wait(PLAYED, "#video-dialog video")
    browser.type("body", ESCAPE)
    browser.wait("!$('#video-dialog').open && location.pathname === '/'")


def extend(browser, uuid: str, prompt: str) -> str:
    browser.type(f"#generation-{uuid} .card-link", "e")
    browser.wait("$('#video-form .source')")
    return make(browser, prompt)


def search(browser, words: str, uuid: str) -> None:
    browser.run("document.activeElement.blur()")
    browser.type("body", "/")
    browser.wait("document.activeElement.name === 'q'")
    browser.type("[name=q]", words)
    browser.wait(f"document.querySelectorAll('.card').length === 1 && $('.card').id.endsWith('{uuid}')")
    browser.wait("location.search.includes('q=')")
    browser.run("document.querySelector('[name=q]').select()")
    browser.type("[name=q]", "\ue017")
    browser.wait("document.querySelectorAll('.card').length > 1")


def select(browser, *uuids: str) -> None:
    for uuid in uuids:
        browser.run("document.querySelector(arguments[0]).focus()", f"#generation-{uuid} .card-link")
        browser.type(f"#generation-{uuid} .card-link", "x")
    browser.wait(
        "getComputedStyle($('#selection')).visibility === 'visible' && $('.selection-count').innerText[0] === '2'"
    )
    browser.click("#selection [title=Star]")
    browser.wait(f"$('#generation-{uuids[0]} [aria-pressed=true]') && $('#generation-{uuids[1]} [aria-pressed=true]')")
    browser.type("body", ESCAPE)
    browser.wait("!$('.select:checked')")

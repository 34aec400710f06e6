// Keyboard shortcuts. A key clicks the control that names it in data-key: in the open dialog or on the video's page
// first, then on the focused or hovered card, then anywhere on the page. The keys in #handleOwn need no control.
import { BaseElement } from "./base-element.js";
import { stylesheetsLoaded } from "./stylesheets.js";

const TEXT_FIELD =
  "input:not([type=checkbox], [type=radio], [type=range], [type=button], [type=submit]), textarea, select, [contenteditable]";
// Elements that use some keys themselves.
const USES_SPACE = "button, summary, input, video[controls], [role=button]";
const USES_ARROWS = "input, video[controls], [role=menu], pre[tabindex]";
const ROW_TOLERANCE_PX = 24;
const REPEATABLE = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", ",", "."];

// Caps Lock must not turn a shortcut into another one.
function keyOf({ key, shiftKey }) {
  if (!/^\p{L}$/u.test(key)) return key;
  return shiftKey ? key.toUpperCase() : key.toLowerCase();
}

// Whether the focused element leaves this key to the shortcuts.
function isShortcut(event) {
  const { target, key } = event;
  if (event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return false;
  if (event.repeat && !REPEATABLE.includes(key)) return false;
  if (target.closest?.(TEXT_FIELD)) return false;
  if (key === " " && target.closest?.(USES_SPACE)) return false;
  return !(key.startsWith("Arrow") && target.closest?.(USES_ARROWS));
}

class KeyboardShortcuts extends BaseElement {
  connect(signal) {
    document.addEventListener("keydown", (event) => this.#handleKey(event), { signal });
    document.addEventListener("click", ({ target }) => target.closest("[data-shortcuts]") && this.#showHelp(), {
      signal,
    });
    this.#dialog?.addEventListener("click", ({ target }) => target === this.#dialog && this.#dialog.close(), {
      signal,
    });
  }

  get #dialog() {
    return this.querySelector("dialog");
  }

  #handleKey(event) {
    if (event.defaultPrevented || this.#dialog?.open || !isShortcut(event)) return;
    const key = keyOf(event);
    // The browser closes what is open.
    const open = document.querySelector(":popover-open, dialog:modal");
    if (key === "Escape" && open) return;
    if (open && !open.matches("dialog, video-dialog") && !open.querySelector("video-dialog, .video-page")) return;
    if (this.#click(key) ?? this.#handleOwn(key)) event.preventDefault();
  }

  get #card() {
    return document.activeElement?.closest(".card") ?? document.querySelector(".card:hover");
  }

  get #video() {
    return (
      document.querySelector("dialog[open]:not(.shortcuts), video-compare") ?? document.querySelector(".video-page")
    );
  }

  // Returns true if there was a control for the key.
  #click(key) {
    const wanted = `[data-key="${CSS.escape(key)}"]`;
    const view = this.#video;
    const places = view ? [view] : [this.#card];
    if (!view?.closest("dialog")) places.push(document);
    for (const place of places) {
      const control = [...(place?.querySelectorAll(wanted) ?? [])].find(
        (one) => !one.disabled && (place !== document || !one.closest(".card")),
      );
      if (!control) continue;
      if (control.matches(TEXT_FIELD)) this.#focusField(control);
      else control.click();
      if (control.matches("summary")) control.scrollIntoView({ block: "nearest" });
      return true;
    }
  }

  #focusField(field) {
    // On a phone the form is a sheet that is opened first.
    if (!field.checkVisibility({ visibilityProperty: true })) document.querySelector("[data-open]")?.click();
    field.focus();
    if (field.type === "search") field.select();
  }

  #handleOwn(key) {
    if (key === "?") return this.#showHelp();
    if (key === " ") return this.#togglePlay();
    const view = this.#video;
    if (key === "g" && !view) {
      const prompt = document.querySelector("#video-form [name=prompt]");
      if (prompt) this.#focusField(prompt);
      return Boolean(prompt);
    }
    if (key === "i" && !view) return this.#openCard();
    if (key.startsWith("Arrow") && !view) return this.#moveFocus(key);
    return false;
  }

  #showHelp() {
    for (const menu of document.querySelectorAll(":popover-open")) menu.hidePopover();
    for (const link of this.querySelectorAll("link")) link.disabled = false;
    stylesheetsLoaded(this).then(() => this.#dialog.open || this.#dialog.showModal());
    return true;
  }

  #togglePlay() {
    const view = this.#video?.querySelector("video");
    if (view) {
      if (view.paused) view.play();
      else view.pause();
      return true;
    }
    const card = this.#card?.querySelector("video-preview");
    if (!card) return false;
    if (card.isPlaying) card.stop();
    else card.play();
    return true;
  }

  #openCard() {
    const link = this.#card?.querySelector(".card-link, .card-prompt a");
    link?.click();
    return Boolean(link);
  }

  // Left and right follow the order; up and down lead to the nearest card in the next row.
  #moveFocus(key) {
    const cards = [...document.querySelectorAll(".card")];
    if (!cards.length) return false;
    const here = this.#card;
    let next;
    if (!here) next = cards.find((card) => card.getBoundingClientRect().bottom > 80) ?? cards[0];
    else if (key === "ArrowLeft" || key === "ArrowRight")
      next = cards[cards.indexOf(here) + (key === "ArrowRight" ? 1 : -1)];
    else next = this.#inNextRow(here, cards, key === "ArrowDown");
    if (!next) return false;
    next.querySelector(".card-link, .card-prompt a")?.focus({ preventScroll: true, focusVisible: true });
    next.scrollIntoView({
      block: "nearest",
      behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth",
    });
    return true;
  }

  #inNextRow(here, cards, isDown) {
    const { left, right, top, bottom } = here.getBoundingClientRect();
    const middle = (left + right) / 2;
    const beyond = cards
      .map((card) => ({ card, box: card.getBoundingClientRect() }))
      .filter(({ box }) => (isDown ? box.top >= bottom - 1 : box.bottom <= top + 1));
    const edges = beyond.map(({ box }) => (isDown ? box.top : box.bottom));
    const edge = isDown ? Math.min(...edges) : Math.max(...edges);
    const row = beyond.filter((_, index) => Math.abs(edges[index] - edge) < ROW_TOLERANCE_PX);
    const distance = ({ box }) => Math.abs((box.left + box.right) / 2 - middle);
    return row.sort((one, other) => distance(one) - distance(other))[0]?.card;
  }
}

customElements.define("keyboard-shortcuts", KeyboardShortcuts);

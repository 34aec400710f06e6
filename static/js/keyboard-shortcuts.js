// Keys press what is on the page: any control that carries data-key is one. Nothing happens while somebody types.
// A key means the control in the open dialog or on the video's page first, then that of the card in question, then
// any on the page. Without a control for it a few keys have a meaning of their own, below.
const TYPING =
  "input:not([type=checkbox], [type=radio], [type=range], [type=button], [type=submit]), textarea, select, [contenteditable]";
// These have their own meaning for some keys.
const SPACE_IS_THEIRS = "button, summary, input, video[controls], [role=button]";
const ARROWS_ARE_THEIRS = "input, video[controls], [role=menu], pre[tabindex]";
const AGAIN_WHILE_HELD = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", ",", "."];

// Caps Lock must not turn a shortcut into another one.
function keyOf({ key, shiftKey }) {
  if (!/^\p{L}$/u.test(key)) return key;
  return shiftKey ? key.toUpperCase() : key.toLowerCase();
}

// Whether the focused element leaves this key to the shortcuts.
function isShortcut(event) {
  const { target, key } = event;
  if (event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return false;
  if (event.repeat && !AGAIN_WHILE_HELD.includes(key)) return false;
  if (target.closest?.(TYPING)) return false;
  if (key === " " && target.closest?.(SPACE_IS_THEIRS)) return false;
  return !(key.startsWith("Arrow") && target.closest?.(ARROWS_ARE_THEIRS));
}

class KeyboardShortcuts extends HTMLElement {
  #listening;

  connectedCallback() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    document.addEventListener("keydown", (event) => this.#pressed(event), { signal });
    document.addEventListener("click", ({ target }) => target.closest("[data-shortcuts]") && this.#help(), { signal });
    this.#dialog?.addEventListener("click", ({ target }) => target === this.#dialog && this.#dialog.close(), {
      signal,
    });
  }

  disconnectedCallback() {
    this.#listening.abort();
  }

  get #dialog() {
    return this.querySelector("dialog");
  }

  #pressed(event) {
    if (event.defaultPrevented || this.#dialog?.open || !isShortcut(event)) return;
    const key = keyOf(event);
    // What is open closes by itself.
    const open = document.querySelector(":popover-open, dialog:modal");
    if (key === "Escape" && open) return;
    if (open && !open.matches("dialog, video-dialog") && !open.querySelector("video-dialog, .video-page")) return;
    if (this.#press(key) ?? this.#own(key)) event.preventDefault();
  }

  get #card() {
    return document.activeElement?.closest(".card") ?? document.querySelector(".card:hover");
  }

  get #film() {
    return (
      document.querySelector("dialog[open]:not(.shortcuts), video-compare") ?? document.querySelector(".video-page")
    );
  }

  // Whether there was a control to press.
  #press(key) {
    const wanted = `[data-key="${CSS.escape(key)}"]`;
    const film = this.#film;
    const places = film ? [film] : [this.#card];
    if (!film?.closest("dialog")) places.push(document);
    for (const place of places) {
      const control = [...(place?.querySelectorAll(wanted) ?? [])].find(
        (one) => !one.disabled && (place !== document || !one.closest(".card")),
      );
      if (!control) continue;
      if (control.matches(TYPING)) this.#enter(control);
      else control.click();
      if (control.matches("summary")) control.scrollIntoView({ block: "nearest" });
      return true;
    }
  }

  #enter(field) {
    // On a phone the form is a sheet that is opened first.
    if (!field.checkVisibility({ visibilityProperty: true })) document.querySelector("[data-open]")?.click();
    field.focus();
    if (field.type === "search") field.select();
  }

  #own(key) {
    if (key === "?") return this.#help();
    if (key === " ") return this.#play();
    const film = this.#film;
    if (key === "g" && !film) {
      const prompt = document.querySelector("#video-form [name=prompt]");
      if (prompt) this.#enter(prompt);
      return Boolean(prompt);
    }
    if (key === "i" && !film) return this.#open();
    if (key.startsWith("Arrow") && !film) return this.#move(key);
    return false;
  }

  #help() {
    for (const menu of document.querySelectorAll(":popover-open")) menu.hidePopover();
    this.#dialog.showModal();
    return true;
  }

  #play() {
    const film = this.#film?.querySelector("video");
    if (film) {
      if (film.paused) film.play();
      else film.pause();
      return true;
    }
    const card = this.#card?.querySelector("video-preview");
    if (!card) return false;
    if (card.isPlaying) card.stop();
    else card.play();
    return true;
  }

  #open() {
    const link = this.#card?.querySelector(".card-link, .card-prompt a");
    link?.click();
    return Boolean(link);
  }

  // Left and right go by the order, up and down to the nearest in the next row.
  #move(key) {
    const cards = [...document.querySelectorAll(".card")];
    if (!cards.length) return false;
    const here = this.#card;
    let next;
    if (!here) next = cards.find((card) => card.getBoundingClientRect().bottom > 80) ?? cards[0];
    else if (key === "ArrowLeft" || key === "ArrowRight")
      next = cards[cards.indexOf(here) + (key === "ArrowRight" ? 1 : -1)];
    else next = this.#across(here, cards, key === "ArrowDown");
    if (!next) return false;
    next.querySelector(".card-link, .card-prompt a")?.focus({ preventScroll: true, focusVisible: true });
    next.scrollIntoView({
      block: "nearest",
      behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth",
    });
    return true;
  }

  #across(here, cards, down) {
    const { left, right, top, bottom } = here.getBoundingClientRect();
    const middle = (left + right) / 2;
    const beyond = cards
      .map((card) => ({ card, box: card.getBoundingClientRect() }))
      .filter(({ box }) => (down ? box.top >= bottom - 1 : box.bottom <= top + 1));
    if (!beyond.length) return undefined;
    const edge = down
      ? Math.min(...beyond.map(({ box }) => box.top))
      : Math.max(...beyond.map(({ box }) => box.bottom));
    const row = beyond.filter(({ box }) => Math.abs((down ? box.top : box.bottom) - edge) < 24);
    return row.reduce((one, other) =>
      Math.abs((other.box.left + other.box.right) / 2 - middle) < Math.abs((one.box.left + one.box.right) / 2 - middle)
        ? other
        : one,
    ).card;
  }
}

customElements.define("keyboard-shortcuts", KeyboardShortcuts);

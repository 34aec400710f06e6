// What the keyboard shortcuts do; keys.js decides which keys are shortcuts. A key clicks the control that names it in
// data-key: in the open dialog or on the video's page; else in the bar of the selected videos, on the focused or hovered
// card, or anywhere on the page. The keys in #handleOwn need no control.
import { BaseElement } from "./base-element.js";
import { nearestInNextRow } from "./grid-rows.js";
import { stylesheetsLoaded } from "./stylesheets.js";

const MENU = "[popover]:not([popover=manual]):popover-open";
const SHOW_TIMEOUT_MS = 10_000;

class KeyboardShortcuts extends BaseElement {
  #card = null; // the focused or hovered card

  connect(signal) {
    document.addEventListener("shortcut", (event) => this.#handleShortcut(event), { signal });
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

  #handleShortcut(event) {
    const { target, detail: key } = event;
    if (this.#dialog?.open) return;
    const menu = document.querySelector(MENU);
    // The browser closes what is open.
    if (menu || (key === "Escape" && document.querySelector("dialog:modal"))) return;
    this.#card = target.closest(".card");
    if (this.#click(key) ?? this.#handleOwn(key)) event.preventDefault();
  }

  get #video() {
    return (
      document.querySelector("dialog[open]:not(.shortcuts), video-compare") ?? document.querySelector(".video-page")
    );
  }

  get #selection() {
    return document.querySelector(".select:checked") && document.getElementById("selection");
  }

  // Returns true if there was a control for the key.
  #click(key) {
    const control = this.#find(`[data-key="${CSS.escape(key)}"]`);
    if (!control) return;
    if (control.disabled) this.toast(control.title);
    else if (control.matches("textarea")) this.#openForm(control);
    else control.click();
    if (control.matches("summary")) control.scrollIntoView({ block: "nearest" });
    return true;
  }

  // The focused or hovered one of videos side by side.
  get #lane() {
    return document.activeElement?.closest(".lane") ?? document.querySelector(".lane:hover");
  }

  #find(wanted) {
    const view = this.#video;
    const places = view ? [this.#lane, view] : [this.#selection, this.#card];
    if (!view?.closest("dialog")) places.push(document);
    for (const place of places) {
      const control = [...(place?.querySelectorAll(wanted) ?? [])].find((one) => this.#isFor(one, place));
      if (control) return control;
    }
  }

  // A control inside a card, lane or bar counts only in that place. A disabled one in the bar shows why it is disabled.
  #isFor(control, place) {
    const owner = control.closest(".card, .lane, #selection");
    return (!owner || owner === place) && (!control.disabled || place.id === "selection");
  }

  // On a phone the form is a sheet.
  #openForm(field) {
    document.querySelector("[data-open]")?.click();
    field.focus();
  }

  #handleOwn(key) {
    if (key === "?") return this.#showHelp();
    if (key === " ") return this.#togglePlay();
    if (this.#video) return false;
    if (key === "p") return this.#choose("picked");
    if (key === "u") return this.#choose("rejected");
    if (key === "s") return this.#share();
    if (key === "i") return this.#openCard();
    return key.startsWith("Arrow") && this.#moveFocus(key);
  }

  #showHelp() {
    for (const menu of document.querySelectorAll(MENU)) menu.hidePopover();
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

  // The same key again removes the choice.
  #choose(choice) {
    const card = this.#card;
    const link = card?.querySelector(".card-link");
    if (card?.dataset.state !== "completed" || !link) return false;
    const values = {
      choice: card.dataset.choice === choice ? "" : choice,
      csrfmiddlewaretoken: card.querySelector("[name=csrfmiddlewaretoken]").value,
    };
    // The card of a playing video would be replaced later.
    card.querySelector("video-preview")?.stop?.();
    window.htmx.ajax("POST", `${link.pathname}choice/`, { source: card, values, swap: "none" });
    return true;
  }

  // The links of a video are in its dialog.
  #share() {
    if (!this.#card?.querySelector("video-preview")) return false;
    const openShare = () => document.querySelector("dialog[open] [data-key=s]")?.click();
    document.addEventListener("video:shown", openShare, { once: true, signal: AbortSignal.timeout(SHOW_TIMEOUT_MS) });
    return this.#openCard();
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
    else next = nearestInNextRow(here, cards, key === "ArrowDown");
    if (!next) return false;
    next.querySelector(".card-link, .card-prompt a")?.focus({ preventScroll: true, focusVisible: true });
    next.scrollIntoView({
      block: "nearest",
      behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth",
    });
    return true;
  }
}

customElements.define("keyboard-shortcuts", KeyboardShortcuts);

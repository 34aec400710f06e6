// Polls for changes and swaps them in, without interrupting a video that plays or moving the focus.
import { BaseElement } from "./base-element.js";
import { serverNow } from "./clock.js";

const POLL_MS = 4000;
const HIDDEN_POLL_MS = 15_000;
const SLOWEST_POLL_MS = 30_000;
const STATES = ["queued", "submitting", "processing", "unconfirmed"].map((state) => `[data-state=${state}]`);
const UNFINISHED = `.card:is([data-saving], ${STATES})`;
const MAX_NAMED = 50; // unfinished cards in the address of a poll, which has a limited length
const TOP_PX = 400; // scrolled by less, the page shows its top
const STATE_MESSAGES = {
  completed: "Your video is ready.",
  failed: "Your video failed.",
  unconfirmed: "One of your videos got no answer.",
};
const now = () => Math.floor(serverNow() / 1000);
const isPreviewing = (card) => card.querySelector("video-preview")?.isPlaying;
const isPlaying = (card) => isPreviewing(card) || card.querySelector("video[controls]")?.paused === false;

// Removes fragments whose targets are not on this page: htmx would report each as an error.
function dropUnknown(detail) {
  const template = Object.assign(document.createElement("template"), { innerHTML: detail.serverResponse });
  const unknown = [...template.content.querySelectorAll("[id][hx-swap-oob]")].filter(
    (element) => !document.getElementById(element.id),
  );
  if (!unknown.length) return;
  for (const element of unknown) element.remove();
  detail.serverResponse = template.innerHTML;
}

class LiveUpdates extends BaseElement {
  #timer;
  #hiddenAt = now();
  #failures = 0;
  #postponed = new Map(); // what replaces a card, by its id; null removes it

  connect(signal) {
    document.addEventListener("visibilitychange", () => this.#handleVisibility(), { signal });
    document.addEventListener("htmx:beforeSwap", ({ detail }) => dropUnknown(detail), { signal });
    document.addEventListener("htmx:oobBeforeSwap", (event) => this.#handleSwap(event), { signal });
    this.addEventListener("card:changing", ({ detail }) => this.#announceState(...detail), { signal });
    document.addEventListener("collections", () => this.#renewCollections(), { signal });
    document.addEventListener("preview:stopped", () => this.#applyPostponed(), { signal });
    // Media events do not bubble: capture those of the player on the video's page.
    document.addEventListener("pause", () => this.#applyPostponed(), { signal, capture: true });
    this.addEventListener("htmx:afterRequest", ({ detail }) => detail.elt === this && this.#handleResponse(detail), {
      signal,
    });
    this.#pollIn(POLL_MS);
  }

  disconnect() {
    clearTimeout(this.#timer);
  }

  #handleVisibility() {
    if (document.hidden) this.#hiddenAt = now();
    this.#pollIn(document.hidden ? HIDDEN_POLL_MS : 0);
  }

  #pollIn(delay) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.poll(), delay);
  }

  // This member has created a collection, which the lists of this page lack.
  #renewCollections() {
    const { dataset } = document.getElementById("live-state");
    if (dataset.collections) dataset.collections = "none";
    this.#pollIn(0);
  }

  get #isFirstPage() {
    return "firstPage" in this.dataset;
  }

  poll() {
    const mine = Number(document.getElementById("in-flight")?.dataset.mine ?? 0);
    // A hidden tab does not poll while its member has nothing in flight.
    if (document.hidden && !mine) return;
    // While the button "new videos" counts them, its click fetches them all.
    const isCounting = document.querySelector("#new-pill.new");
    const unfinished = [...this.querySelectorAll(UNFINISHED)].slice(0, MAX_NAMED).map(({ dataset }) => dataset.pk);
    const values = {
      ...(unfinished.length && { unfinished: unfinished.join(" ") }),
      ...document.getElementById("live-state")?.dataset,
      top: this.#isFirstPage && scrollY < TOP_PX && !isCounting ? 1 : 0,
      ...(document.hidden && { hidden: 1, seen: this.#hiddenAt }),
    };
    if (this.dataset.only) values.only = this.dataset.only;
    // The video that is open in the dialog.
    if (this.dataset.watch) values.watch = this.dataset.watch;
    window.htmx.ajax("GET", this.dataset.url, { source: this, target: this, swap: "none", values }).catch(() => {
      // #handleResponse has counted the failure and polls again.
    });
  }

  #handleResponse({ successful }) {
    this.#failures = successful ? 0 : this.#failures + 1;
    const note = this.querySelector(".offline");
    if (note) note.hidden = this.#failures < 2;
    const interval = document.hidden ? HIDDEN_POLL_MS : POLL_MS;
    this.#pollIn(Math.min(SLOWEST_POLL_MS, interval * 2 ** Math.min(this.#failures, 3)));
  }

  #handleSwap(event) {
    const { target, fragment } = event.detail;
    if (target.id === "days" && !this.#isFirstPage && !fragment.querySelector("[data-restored]")) {
      // New videos belong on the first page, not on this older one.
      event.preventDefault();
      location.assign("/");
    } else if (target.matches(".card, .video-page")) {
      const fresh = fragment.querySelector?.("[data-version]");
      if (fresh) this.#handleChange(event, target, fresh);
      else this.#handleRemoval(event, target, "own" in (fragment.dataset ?? {}));
    }
  }

  #postpone(event, card, fresh) {
    this.#postponed.set(card.id, fresh);
    event.preventDefault();
  }

  #handleChange(event, card, fresh) {
    if (Number(fresh.dataset.version) < Number(card.dataset.version)) return event.preventDefault();
    if (isPlaying(card)) return this.#postpone(event, card, fresh);
    this.#announceState(card, fresh);
    for (const { id, open } of card.querySelectorAll("details[id]"))
      fresh.querySelector(`#${id}`)?.toggleAttribute("open", open);
    if (card.contains(document.activeElement) && !document.activeElement.closest("[hx-preserve]"))
      setTimeout(() => document.querySelector(`#${card.id} a`)?.focus({ preventScroll: true }));
  }

  #announceState(card, fresh) {
    const { state } = fresh.dataset;
    if (card.dataset.state === state || card.dataset.by !== "you") return;
    if (STATE_MESSAGES[state]) this.announce(STATE_MESSAGES[state]);
  }

  // A card that another member moved to the trash stays until its preview ends.
  #handleRemoval(event, card, isOwn) {
    if (!isOwn && isPreviewing(card)) return this.#postpone(event, card, null);
    if (!card.contains(document.activeElement)) return;
    const next = card.nextElementSibling ?? card.previousElementSibling ?? document.getElementById("main");
    (next.querySelector(".card-link, .card-prompt a") ?? next).focus({ preventScroll: true });
  }

  #applyPostponed() {
    for (const [id, fresh] of this.#postponed) {
      const card = document.getElementById(id);
      if (!fresh) card?.remove();
      else if (card) this.#replace(card, fresh);
    }
    this.#postponed.clear();
  }

  // Keeps the elements with hx-preserve, as htmx does in its own swaps.
  #replace(card, fresh) {
    for (const placeholder of fresh.querySelectorAll("[hx-preserve]")) {
      const kept = document.getElementById(placeholder.id);
      if (kept) placeholder.replaceWith(kept);
    }
    card.replaceWith(fresh);
    window.htmx.process(fresh);
  }
}

customElements.define("live-updates", LiveUpdates);

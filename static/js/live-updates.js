// Polls for changes, and swaps them in where nobody is disturbed.
const SHOWN = 4000,
  HIDDEN = 15000,
  SLOWEST = 30000,
  AT_TOP = 400;

class LiveUpdates extends HTMLElement {
  #listening;
  #timer;
  #hiddenAt = Math.floor(Date.now() / 1000);
  #failures = 0;
  #waiting = new Map();

  connectedCallback() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    document.addEventListener("visibilitychange", () => this.#turned(), { signal });
    document.addEventListener("htmx:oobBeforeSwap", (event) => this.#arriving(event), { signal });
    this.addEventListener("card:changing", ({ detail }) => this.#tell(...detail), { signal });
    document.addEventListener("preview:stopped", () => this.#release(), { signal });
    // Media events do not bubble, but they can be caught on the way down: the player of a video's own page.
    document.addEventListener("pause", () => this.#release(), { signal, capture: true });
    this.addEventListener("htmx:afterRequest", (event) => event.detail.elt === this && this.#answered(event), {
      signal,
    });
    this.#next(SHOWN);
  }

  disconnectedCallback() {
    this.#listening.abort();
    clearTimeout(this.#timer);
  }

  #turned() {
    if (document.hidden) this.#hiddenAt = Math.floor(Date.now() / 1000);
    this.#next(document.hidden ? HIDDEN : 0);
  }

  #next(delay) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.poll(), delay);
  }

  poll() {
    const mine = Number(document.getElementById("in-flight")?.dataset.mine ?? 0);
    // A hidden tab does not poll while its member has nothing in flight.
    if (document.hidden && !mine) return;
    // The pill fetches all new videos at once.
    const counting = document.querySelector("#new-pill.new");
    const top = "firstPage" in this.dataset && scrollY < AT_TOP && !counting ? 1 : 0;
    const values = {
      ...document.getElementById("live-state")?.dataset,
      top,
      ...(document.hidden && { hidden: 1, seen: this.#hiddenAt }),
    };
    if (this.dataset.only) values.only = this.dataset.only;
    // The video that is open over the wall.
    if (this.dataset.watch) values.watch = this.dataset.watch;
    window.htmx.ajax("GET", this.dataset.url, { source: this, target: this, swap: "none", values }).catch(() => {
      // A lost connection was counted in #answered, which also asks again.
    });
  }

  #answered({ detail }) {
    this.#failures = detail.successful ? 0 : this.#failures + 1;
    const note = this.querySelector(".offline");
    if (note) note.hidden = this.#failures < 2;
    const pace = document.hidden ? HIDDEN : SHOWN;
    this.#next(Math.min(SLOWEST, pace * 2 ** Math.min(this.#failures, 3)));
  }

  #arriving(event) {
    const { target, fragment } = event.detail;
    const fresh = fragment.querySelector?.("[data-version]") ?? null;
    if (target.id === "days" && !("firstPage" in this.dataset) && !fragment.querySelector("[data-restored]")) {
      // An older page is no place for new videos: the newest one is.
      event.preventDefault();
      location.assign("/");
    } else if (target.matches(".card, .video-page")) {
      if (fresh) this.#changing(event, target, fresh);
      else this.#leaving(event, target, "own" in (fragment.dataset ?? {}));
    }
  }

  #changing(event, card, fresh) {
    if (Number(fresh.dataset.version) < Number(card.dataset.version)) return event.preventDefault();
    // A playing film is never swapped: its news waits until it stops.
    if (card.querySelector("video-preview")?.isPlaying || card.querySelector("video[controls]")?.paused === false) {
      this.#waiting.set(card.id, fresh);
      return event.preventDefault();
    }
    this.#tell(card, fresh);
    for (const { id, open } of card.querySelectorAll("details[id]"))
      fresh.querySelector(`#${id}`)?.toggleAttribute("open", open);
    if (card.contains(document.activeElement) && !document.activeElement.closest("[hx-preserve]"))
      setTimeout(() => document.querySelector(`#${card.id} a`)?.focus({ preventScroll: true }));
  }

  // What became of one's own is said, whichever way the news of it came.
  #tell(card, fresh) {
    if (card.dataset.state === fresh.dataset.state || card.dataset.by !== "you") return;
    const words = {
      completed: "Your video is ready.",
      failed: "Your video failed.",
      unconfirmed: "One of your videos got no answer.",
    };
    if (words[fresh.dataset.state]) this.#say(words[fresh.dataset.state]);
  }

  // Thrown away. What somebody else threw away plays to its end here; the focus goes on to the next card.
  #leaving(event, card, own) {
    if (!own && card.querySelector("video-preview")?.isPlaying) {
      this.#waiting.set(card.id, null);
      return event.preventDefault();
    }
    if (!card.contains(document.activeElement)) return;
    const next = card.nextElementSibling ?? card.previousElementSibling ?? document.getElementById("main");
    (next.querySelector(".card-link, .card-prompt a") ?? next).focus({ preventScroll: true });
  }

  #release() {
    for (const [id, fresh] of this.#waiting) {
      const card = document.getElementById(id);
      if (fresh && card) this.#replace(card, fresh);
      else card?.remove();
      if (card && fresh) window.htmx.process(fresh);
    }
    this.#waiting.clear();
  }

  // What is being watched, or written in, stays where it is; htmx sees to that in its own swaps.
  #replace(card, fresh) {
    for (const kept of fresh.querySelectorAll("[hx-preserve]")) {
      const here = document.getElementById(kept.id);
      if (here) kept.replaceWith(here);
    }
    card.replaceWith(fresh);
  }

  #say(words) {
    this.dispatchEvent(new CustomEvent("announce", { bubbles: true, detail: words }));
  }
}

customElements.define("live-updates", LiveUpdates);

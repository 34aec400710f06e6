// A poster that plays its film, muted, while somebody looks at it: after 150 ms of hover or focus, or at a tap.
const PATIENCE = 150;
let playing = null;

class FilmCard extends HTMLElement {
  #listening;
  #timer;

  connectedCallback() {
    const card = this.closest(".card");
    if (!card) return;
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    card.addEventListener("pointerenter", (event) => event.pointerType !== "touch" && this.#soon(), { signal });
    card.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && this.stop(), { signal });
    card.addEventListener("focusin", (event) => event.target.matches(":focus-visible") && this.#soon(), { signal });
    card.addEventListener("focusout", (event) => card.contains(event.relatedTarget) || this.stop(), { signal });
    card.addEventListener("click", (event) => this.#tap(event), { signal });
  }

  disconnectedCallback() {
    this.#listening?.abort();
    this.stop();
  }

  get isPlaying() {
    return playing === this;
  }

  #soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.play(), PATIENCE);
  }

  // On touch the first tap plays, the next one opens the page.
  #tap(event) {
    if (event.pointerType !== "touch" || this.isPlaying || !event.target.closest(".card-link")) return;
    event.preventDefault();
    this.play();
  }

  play() {
    if (this.isPlaying || matchMedia("(prefers-reduced-data: reduce)").matches) return;
    playing?.stop();
    playing = this;
    const video = document.createElement("video");
    Object.assign(video, { muted: true, loop: true, playsInline: true, preload: "none", src: this.dataset.src, tabIndex: -1 });
    video.setAttribute("aria-hidden", "true");
    video.addEventListener("playing", () => { video.dataset.on = ""; }, { once: true });
    this.append(video);
    video.play().catch((error) => error.name !== "AbortError" && this.stop());
  }

  stop() {
    clearTimeout(this.#timer);
    const video = this.querySelector("video");
    if (video) {
      video.pause();
      // Without its source the browser also lets go of the connection.
      video.removeAttribute("src");
      video.load();
      video.remove();
    }
    if (!this.isPlaying) return;
    playing = null;
    document.dispatchEvent(new CustomEvent("film:stopped"));
  }
}

// One menu serves all cards: it is filled when it is opened. Without it the button leads to the video's page.
document.addEventListener("click", async (event) => {
  const opener = event.target.closest("[data-menu]");
  const menu = document.getElementById("card-menu");
  if (!opener || !menu || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  menu.replaceChildren();
  await window.htmx.ajax("GET", opener.dataset.menu, { target: menu, swap: "innerHTML" });
  menu.showPopover({ source: opener });
  // What is in it may have been swapped, and the focus lost with it.
  menu.addEventListener("beforetoggle", ({ newState }) => newState === "closed" && setTimeout(() => document.activeElement === document.body && opener.focus({ preventScroll: true })), { once: true });
  menu.querySelector("a, button")?.focus({ preventScroll: true });
});
document.addEventListener("click", ({ target }) => {
  if (target.closest("#card-menu .menu-item:not(summary)")) document.getElementById("card-menu").hidePopover();
});

customElements.define("film-card", FilmCard);

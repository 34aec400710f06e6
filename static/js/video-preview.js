// A poster that plays its film, muted, while somebody looks at it: after 150 ms of hover or focus, or at a tap.
const PATIENCE = 150;
let playing = null;

class VideoPreview extends HTMLElement {
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
    Object.assign(video, {
      muted: true,
      loop: true,
      playsInline: true,
      preload: "none",
      src: this.dataset.src,
      tabIndex: -1,
    });
    video.setAttribute("aria-hidden", "true");
    video.addEventListener(
      "playing",
      () => {
        video.dataset.on = "";
      },
      { once: true },
    );
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
    document.dispatchEvent(new CustomEvent("preview:stopped"));
  }
}

// One menu serves all cards: it is filled when it is opened. Without it the button leads to the video's page.
let opener = null;

// It stands at the button that opened it, or has taken that one's place: news swaps cards while the menu is open.
function standAt(address) {
  if (opener) opener.style.anchorName = "";
  opener = document.querySelector(`[data-menu="${address}"]`);
  if (opener) opener.style.anchorName = "--card-menu";
  return Boolean(opener);
}

// What had the focus may have been swapped since, in the menu or on the wall; then the browser gives it to nobody.
function giveBackFocus() {
  const { activeElement } = document;
  if (activeElement === document.body || activeElement?.closest("#card-menu")) opener?.focus({ preventScroll: true });
}

document.addEventListener("click", async (event) => {
  const address = event.target.closest("[data-menu]")?.dataset.menu;
  const menu = document.getElementById("card-menu");
  if (!address || !menu || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  menu.replaceChildren();
  await window.htmx.ajax("GET", address, { target: menu, swap: "innerHTML" });
  if (!standAt(address)) return;
  menu.showPopover({ source: opener });
  menu.addEventListener("beforetoggle", ({ newState }) => newState === "closed" && setTimeout(giveBackFocus), {
    once: true,
  });
  menu.querySelector("a, button")?.focus({ preventScroll: true });
});
document.addEventListener("htmx:oobAfterSwap", () => {
  const menu = document.getElementById("card-menu");
  if (menu?.matches(":popover-open") && !opener.isConnected && !standAt(opener.dataset.menu)) menu.hidePopover();
});
document.addEventListener("click", ({ target }) => {
  if (target.closest("#card-menu .menu-item:not(summary)")) document.getElementById("card-menu").hidePopover();
});

customElements.define("video-preview", VideoPreview);

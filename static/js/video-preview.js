// A poster that plays its video, muted, while the member hovers over or focuses its card, or after a tap.
import { BaseElement } from "./base-element.js";

const DELAY_MS = 150;
let playing = null;

class VideoPreview extends BaseElement {
  #timer;

  connect(signal) {
    const card = this.closest(".card");
    if (!card) return;
    card.addEventListener("pointerenter", (event) => event.pointerType !== "touch" && this.#playSoon(), { signal });
    card.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && this.stop(), { signal });
    card.addEventListener("focusin", (event) => event.target.matches(":focus-visible") && this.#playSoon(), { signal });
    card.addEventListener("focusout", (event) => card.contains(event.relatedTarget) || this.stop(), { signal });
    card.addEventListener("click", (event) => this.#handleClick(event), { signal });
  }

  disconnect() {
    this.stop();
  }

  get isPlaying() {
    return playing === this;
  }

  #playSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.play(), DELAY_MS);
  }

  // On a touch screen the first tap plays the video, the next one opens its page.
  #handleClick(event) {
    if (event.pointerType !== "touch" || this.isPlaying || !event.target.closest(".card-link")) return;
    event.preventDefault();
    this.play();
  }

  play() {
    if (this.isPlaying || matchMedia("(prefers-reduced-data: reduce)").matches) return;
    playing?.stop();
    playing = this;
    const video = Object.assign(document.createElement("video"), {
      muted: true,
      loop: true,
      playsInline: true,
      preload: "none",
      src: this.dataset.src,
      tabIndex: -1,
      ariaHidden: "true",
    });
    video.addEventListener("playing", () => video.toggleAttribute("data-on", true), { once: true });
    this.append(video);
    video.play().catch((error) => error.name !== "AbortError" && this.stop());
  }

  stop() {
    clearTimeout(this.#timer);
    const video = this.querySelector("video");
    if (video) {
      video.pause();
      // Without a source the browser also closes the connection.
      video.removeAttribute("src");
      video.load();
      video.remove();
    }
    if (!this.isPlaying) return;
    playing = null;
    document.dispatchEvent(new CustomEvent("preview:stopped"));
  }
}

customElements.define("video-preview", VideoPreview);

// Plays a chain of videos without a gap. Of two video elements one plays while the other holds the next video. The next
// one starts shortly before the end of the present one: by as much as the last start took to show its first frame.
import { BaseElement, isComposing } from "./base-element.js";

const FIRST_LEAD_MS = 100;
const MAX_LEAD_MS = 150;
const SHOW_AFTER_MS = 400; // shows the next video, whether its first frame has come or not
const SKIP_AFTER_MS = 1500; // skips a video that cannot be played

class ChainPlayer extends BaseElement {
  #shots = [];
  #index = 0;
  #animationFrame = 0;
  #lead = FIRST_LEAD_MS;
  #isSwitching = false; // the next video has been started and is not seen yet

  // Measured: milliseconds from the end of each video to the first frame of the next.
  gaps = [];

  connect(signal) {
    this.#shots = [...this.querySelectorAll("[data-src]")];
    for (const shot of this.#shots) shot.style.setProperty("flex-grow", shot.dataset.seconds);
    this.addEventListener("click", (event) => this.#handleClick(event), { signal });
    this.dialog.addEventListener("keydown", (event) => this.#handleKey(event), { signal });
    this.dialog.addEventListener("close", () => this.stop(), { signal });
    const screens = [0, 1].map(() =>
      Object.assign(document.createElement("video"), { playsInline: true, preload: "none", ariaHidden: "true" }),
    );
    screens[0].dataset.on = "";
    this.querySelector(".chain-stage").replaceChildren(...screens);
    for (const video of this.querySelectorAll("video")) {
      video.addEventListener("ended", () => video === this.shown && this.#handleEnd(), { signal });
      video.addEventListener("error", () => video === this.shown && video.src && this.#handleError(), { signal });
      for (const kind of ["play", "pause"])
        video.addEventListener(kind, () => video === this.shown && this.#updateButton(), { signal });
    }
    this.#centre();
  }

  disconnect() {
    this.stop();
  }

  get dialog() {
    return this.querySelector("dialog");
  }
  get shown() {
    return this.querySelector("video[data-on]");
  }
  get waiting() {
    return this.querySelector("video:not([data-on])");
  }
  get #next() {
    return this.#shots[this.#index + 1] ?? (this.querySelector("[name=repeat]").checked ? this.#shots[0] : undefined);
  }

  // Scrolls the tree of a long chain to the video of this page.
  #centre() {
    const tree = this.closest("section")?.querySelector(".tree");
    const here = tree?.querySelector("[aria-current]");
    if (here)
      tree.scrollLeft +=
        here.getBoundingClientRect().left -
        tree.getBoundingClientRect().left -
        (tree.clientWidth - here.clientWidth) / 2;
  }

  #handleClick(event) {
    const { target } = event;
    const tile = target.closest("[data-play]");
    if (tile) {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // opens the video in another tab
      event.preventDefault();
      this.open([...this.querySelectorAll("[data-play]")].indexOf(tile));
    } else if (target.closest("[data-start]")) this.open();
    else if (target.closest("[data-stop]")) this.dialog.close();
    else if (target.closest("[data-step]")) this.#step(Number(target.closest("[data-step]").dataset.step));
    else if (target.closest("video, [data-pause]")) this.#toggle();
    else if (target.closest("[data-src]")) this.play(this.#shots.indexOf(target.closest("[data-src]")));
  }

  // While the player is open, keys must not reach the page below.
  #handleKey(event) {
    event.stopPropagation();
    const { key, target } = event;
    if (isComposing(event)) return;
    if (key === " " && !event.repeat && !target.closest("button, input")) this.#toggle();
    else if (key === "ArrowRight") this.#step(1);
    else if (key === "ArrowLeft") this.#step(-1);
    else return;
    event.preventDefault();
  }

  // Going back from the first video restarts it. Going on from the last one ends, or starts again in a loop.
  #step(by) {
    if (by < 0) this.play(Math.max(0, this.#index - 1));
    else if (this.#next) this.play(this.#shots.indexOf(this.#next));
  }

  open(number = 0) {
    for (const video of document.querySelectorAll("video")) video.pause();
    this.gaps = [];
    this.dialog.showModal();
    this.play(number);
  }

  stop() {
    cancelAnimationFrame(this.#animationFrame);
    this.#isSwitching = false;
    for (const video of this.querySelectorAll("video")) {
      video.pause();
      video.removeAttribute("src");
      video.load();
    }
  }

  play(number) {
    cancelAnimationFrame(this.#animationFrame);
    this.#isSwitching = false;
    this.#index = number;
    this.shown.poster = this.#shots[number].dataset.poster;
    this.shown.src = this.#shots[number].dataset.src;
    this.#preload();
    this.#showIndex();
    this.shown.play().catch(() => this.#updateButton());
    this.#watchTime();
  }

  #toggle() {
    if (!this.shown.paused) this.shown.pause();
    else if (this.shown.ended && !this.#next) this.play(0);
    else this.shown.play();
  }

  // Fetches the next video and decodes its first frame before it is needed.
  #preload() {
    const next = this.#next;
    if (!next || this.waiting.getAttribute("src") === next.dataset.src) return;
    this.waiting.removeAttribute("poster");
    Object.assign(this.waiting, { preload: "auto", src: next.dataset.src });
    this.waiting.load();
  }

  #watchTime() {
    this.#animationFrame = requestAnimationFrame(() => this.#watchTime());
    const { currentTime, duration, paused } = this.shown;
    if (!paused && duration && currentTime >= duration - this.#lead / 1000 && this.#next) this.#switch();
    if (!this.#isSwitching)
      this.#shots[this.#index].style.setProperty("--progress", duration ? currentTime / duration : 0);
  }

  #handleEnd() {
    if (this.#next) this.#switch();
    else this.#shots[this.#index].style.setProperty("--progress", 1);
  }

  #switch() {
    if (this.#isSwitching) return;
    this.#preload();
    this.#isSwitching = true;
    const { shown: from, waiting: to } = this;
    const startedAt = performance.now();
    const end = startedAt + Math.max(0, from.duration - from.currentTime) * 1000;
    const timer = setTimeout(() => show(performance.now()), SHOW_AFTER_MS);
    const show = (now) => {
      clearTimeout(timer);
      if (!this.#isSwitching || to.hasAttribute("data-on")) return;
      from.removeAttribute("data-on");
      to.dataset.on = "";
      from.pause();
      this.gaps.push(now - end);
      this.#lead = Math.min(MAX_LEAD_MS, (this.#lead + now - startedAt) / 2);
      this.#isSwitching = false;
      this.#index = this.#shots.indexOf(this.#next);
      this.#preload();
      this.#showIndex();
      if (to.error) this.#handleError();
    };
    to.requestVideoFrameCallback?.(show);
    to.play().catch(() => {});
  }

  #handleError() {
    this.querySelector(".chain-place").textContent = `Video ${this.#index + 1} cannot be played`;
    if (this.#shots[this.#index + 1]) setTimeout(() => this.dialog.open && this.play(this.#index + 1), SKIP_AFTER_MS);
  }

  #showIndex() {
    for (const [number, shot] of this.#shots.entries()) {
      shot.style.setProperty("--progress", number < this.#index ? 1 : 0);
      shot.toggleAttribute("data-now", number === this.#index);
      if (number === this.#index) shot.querySelector("button").setAttribute("aria-current", "true");
      else shot.querySelector("button").removeAttribute("aria-current");
    }
    // The segments of many videos are wider than the window.
    const { parentElement: strip, offsetLeft, offsetWidth } = this.#shots[this.#index];
    strip.scrollLeft = offsetLeft - strip.offsetLeft - (strip.clientWidth - offsetWidth) / 2;
    this.querySelector(".chain-place").textContent = `${this.#index + 1} of ${this.#shots.length}`;
    this.querySelector(".chain-prompt").textContent = this.#shots[this.#index].querySelector("button").title;
    this.#updateButton();
  }

  #updateButton() {
    this.querySelector("[data-pause] use").setAttribute("href", this.shown.paused ? "#i-play" : "#i-pause");
  }
}

customElements.define("chain-player", ChainPlayer);

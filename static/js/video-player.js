// Adds speed, repeat and single frames to the browser's own video controls.
// The shown frame comes from requestVideoFrameCallback: currentTime is not that exact.
import { BaseElement } from "./base-element.js";

// 75.5 → "1:15.50"
const formatTime = (seconds) =>
  `${Math.floor(seconds / 60)}:${((Math.floor(seconds * 100 + 0.01) / 100) % 60).toFixed(2).padStart(5, "0")}`;

class VideoPlayer extends BaseElement {
  #frameCallback;
  #shownTime = null; // seconds: the time of the frame in sight
  #targetFrame = null; // the frame that a step is seeking

  connect(signal) {
    this.addEventListener("change", ({ target }) => this.#handleChange(target), { signal });
    this.addEventListener("click", (event) => this.#handleClick(event), { signal });
    for (const kind of ["timeupdate", "seeked", "loadedmetadata"])
      this.video.addEventListener(kind, () => this.#updatePosition(), { signal });
    for (const kind of ["play", "pause"]) this.video.addEventListener(kind, () => this.#updateButton(), { signal });
    // A fragment is parsed in a document without a window, where a video finds no source.
    if (this.video.networkState === HTMLMediaElement.NETWORK_NO_SOURCE) this.video.load();
    this.#watchFrames();
    this.#updatePosition();
    this.#updateButton();
  }

  disconnect() {
    this.video.cancelVideoFrameCallback?.(this.#frameCallback);
  }

  get video() {
    return this.querySelector("video");
  }
  get rate() {
    return Number(this.dataset.rate) || 24;
  }
  get lastFrame() {
    return Math.max(0, Math.round((this.video.duration || 0) * this.rate) - 1);
  }
  get frame() {
    return Math.min(this.lastFrame, Math.floor((this.#shownTime ?? this.video.currentTime) * this.rate + 0.01));
  }

  #watchFrames() {
    this.#frameCallback = this.video.requestVideoFrameCallback?.((_now, { mediaTime }) => {
      this.#shownTime = mediaTime;
      this.#targetFrame = null;
      this.#updatePosition();
      this.#watchFrames();
    });
  }

  #handleChange(target) {
    if (target.name === "speed") this.video.playbackRate = Number(target.value);
    if (target.name === "repeat") this.video.loop = target.checked;
  }

  #handleClick({ target }) {
    const button = target.closest("[data-step], [data-play]");
    if (!button) return;
    if (button.dataset.step) this.step(Number(button.dataset.step));
    else if (this.video.paused) this.video.play();
    else this.video.pause();
  }

  // Seeks the middle of the frame's time, which no rounding moves to another frame.
  step(by) {
    this.video.pause();
    this.#targetFrame = Math.min(this.lastFrame, Math.max(0, (this.#targetFrame ?? this.frame) + by));
    this.video.currentTime = (this.#targetFrame + 0.5) / this.rate;
  }

  #updatePosition() {
    const shown = this.#shownTime ?? this.video.currentTime;
    this.querySelector(".player-position").textContent = `${formatTime(shown)} · ${this.frame + 1}`;
    for (const at of this.querySelectorAll("[data-playhead]")) at.value = shown.toFixed(6);
  }

  #updateButton() {
    this.querySelector("[data-play] use").setAttribute("href", this.video.paused ? "#i-play" : "#i-pause");
  }
}

customElements.define("video-player", VideoPlayer);

// Plays several videos in step. The longest one is the clock; the others follow it and hold their last frame.
import { BaseElement } from "./base-element.js";

const DEFAULT_FRAME_RATE = 24;
// Seconds between a video and the clock: below the first nothing is corrected, above the second the video seeks.
const TOLERANCE = 0.008;
const SEEK_BEYOND = 0.25;
// Between them the playback rate changes: by this much for a second of distance, and at most by this much.
const RATE_PER_SECOND = 4;
const MAX_RATE_CHANGE = 0.25;

class VideoCompare extends BaseElement {
  #videos;
  #isPlaying = false;
  #isWaiting = false;
  #resumesAfterScrub = false;
  #wanted = new Map();
  #speed = 1;
  #animationFrame;

  connect(signal) {
    this.#videos = [...this.querySelectorAll("video")];
    for (const video of this.#videos) {
      video.controls = false;
      video.muted = true;
      video.tabIndex = -1;
      video.addEventListener("loadedmetadata", () => this.#measure(), { signal });
      video.addEventListener("seeked", () => this.#settle(video), { signal });
      video.addEventListener("ended", () => video === this.#clock && this.#isPlaying && this.#handleEnd(), { signal });
      video.addEventListener("click", () => this.toggle(), { signal });
    }
    this.addEventListener("click", (event) => this.#handleClick(event.target), { signal });
    this.addEventListener("input", ({ target }) => target.matches(".scrub") && this.#scrub(Number(target.value)), {
      signal,
    });
    this.addEventListener("change", ({ target }) => this.#handleChange(target), { signal });
    this.#measure();
  }

  disconnect() {
    this.pause();
  }

  get isPlaying() {
    return this.#isPlaying;
  }

  get #clock() {
    return this.#videos.reduce((one, other) => ((other.duration || 0) > (one.duration || 0) ? other : one));
  }

  get #length() {
    return this.#clock.duration || 0;
  }

  // Ends half a frame before the end, so that the last frame stays in sight.
  #clamp(video, time) {
    return Math.max(0, Math.min(time, (video.duration || 0) - 0.5 / this.#rate(video)));
  }

  #rate(video) {
    return Number(video.dataset.rate) || DEFAULT_FRAME_RATE;
  }

  #measure() {
    this.querySelector(".scrub").max = this.#length || 1;
    this.#showTime();
  }

  #handleClick(target) {
    const button = target.closest("button");
    if (!button) return;
    if ("play" in button.dataset) this.toggle();
    if ("back" in button.dataset) this.step(-1);
    if ("forward" in button.dataset) this.step(1);
    if ("sound" in button.dataset) this.#toggleSound(button);
  }

  #handleChange(target) {
    if (target.name === "speed") {
      this.#speed = Number(target.value);
      for (const video of this.#videos) video.playbackRate = this.#speed;
    }
    if (target.matches(".scrub") && this.#resumesAfterScrub) {
      this.#resumesAfterScrub = false;
      this.play();
    }
  }

  // At most one video has sound.
  #toggleSound(button) {
    const isOn = button.getAttribute("aria-pressed") !== "true";
    for (const lane of this.querySelectorAll(".lane")) {
      const isOwn = isOn && lane.contains(button);
      lane.querySelector("video").muted = !isOwn;
      lane.querySelector("[data-sound]").setAttribute("aria-pressed", String(isOwn));
    }
  }

  toggle() {
    return this.#isPlaying ? this.pause() : this.play();
  }

  async play() {
    if (!this.#length) return;
    this.#isPlaying = true;
    this.#updateButton();
    if (this.#clock.ended || this.#clock.currentTime >= this.#clamp(this.#clock, Infinity)) await this.seek(0);
    else await this.seek(this.#clock.currentTime);
    if (!this.#isPlaying) return;
    for (const video of this.#videos) video.playbackRate = this.#speed;
    await Promise.all(
      this.#videos.filter((video) => this.#hasMore(video)).map((video) => video.play().catch(() => {})),
    );
    cancelAnimationFrame(this.#animationFrame);
    this.#follow();
  }

  pause() {
    this.#isPlaying = this.#isWaiting = false;
    cancelAnimationFrame(this.#animationFrame);
    for (const video of this.#videos) video.pause();
    this.#updateButton();
    if (this.isConnected && this.#length) this.seek(this.#clock.currentTime);
  }

  step(by) {
    if (this.#isPlaying) this.pause();
    const rate = Math.max(...this.#videos.map((video) => this.#rate(video)));
    const frame = Math.floor((this.#wanted.get(this.#clock) ?? this.#clock.currentTime) * rate + 0.01) + by;
    return this.seek(Math.min(Math.max(0, (frame + 0.5) / rate), this.#length));
  }

  #scrub(time) {
    if (this.#isPlaying) {
      this.pause();
      this.#resumesAfterScrub = true;
    }
    this.seek(time);
  }

  // A video that is still seeking continues to the latest of the wanted times.
  seek(time) {
    const arrivals = this.#videos.map(
      (video) =>
        new Promise((resolve) => {
          const target = this.#clamp(video, time);
          if (!video.seeking && Math.abs(video.currentTime - target) < 0.0005) return resolve();
          video.addEventListener("seeked", () => resolve(), { once: true, signal: this.signal });
          if (video.seeking) this.#wanted.set(video, target);
          else video.currentTime = target;
        }),
    );
    this.#showTime(time);
    return Promise.all(arrivals);
  }

  #settle(video) {
    if (!this.#wanted.has(video)) return;
    video.currentTime = this.#wanted.get(video);
    this.#wanted.delete(video);
  }

  #hasMore(video) {
    return this.#clock === video || this.#clock.currentTime < this.#clamp(video, Infinity);
  }

  #isStalled(video) {
    return (
      this.#hasMore(video) && !video.ended && video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA && !video.seeking
    );
  }

  // While one video buffers, all of them wait.
  #setWaiting(isLate) {
    this.#isWaiting = isLate;
    for (const video of this.#videos.filter(({ readyState }) => readyState >= HTMLMediaElement.HAVE_FUTURE_DATA)) {
      if (isLate) video.pause();
      else if (this.#hasMore(video)) video.play().catch(() => {});
    }
  }

  // Runs with every frame of the screen.
  #follow() {
    const clock = this.#clock;
    const isLate = this.#videos.some((video) => this.#isStalled(video));
    if (isLate !== this.#isWaiting) this.#setWaiting(isLate);
    if (!isLate) for (const video of this.#videos) if (video !== clock) this.#steer(video, clock.currentTime);
    this.#showTime();
    if (this.#isPlaying) this.#animationFrame = requestAnimationFrame(() => this.#follow());
  }

  #steer(video, time) {
    if (video.seeking || video.ended || !this.#hasMore(video)) return;
    if (video.paused) video.play().catch(() => {});
    const ahead = video.currentTime - time;
    const distance = Math.abs(ahead);
    if (distance > SEEK_BEYOND) video.currentTime = time;
    else {
      const change = Math.max(-MAX_RATE_CHANGE, Math.min(MAX_RATE_CHANGE, ahead * RATE_PER_SECOND));
      video.playbackRate = this.#speed * (distance < TOLERANCE ? 1 : 1 - change);
    }
  }

  async #handleEnd() {
    if (!this.querySelector("[name=repeat]").checked) return this.pause();
    await this.seek(0);
    if (this.#isPlaying) this.play();
  }

  #updateButton() {
    const button = this.querySelector("[data-play]");
    const label = this.#isPlaying ? "Pause" : "Play";
    button.setAttribute("aria-label", label);
    button.title = `${label} (Space)`;
    button.querySelector("use").setAttribute("href", this.#isPlaying ? "#i-pause" : "#i-play");
  }

  #showTime(time = this.#clock.currentTime) {
    const scrub = this.querySelector(".scrub");
    if (!scrub.matches(":active") || !this.#isPlaying) scrub.value = time;
    const text = `${time.toFixed(2)} of ${this.#length.toFixed(2)} s`;
    scrub.setAttribute("aria-valuetext", text);
    const output = this.querySelector("[data-time]");
    if (output.textContent !== text) output.textContent = text;
  }
}

customElements.define("video-compare", VideoCompare);

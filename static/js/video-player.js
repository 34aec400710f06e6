// The player of a video: how fast, over and over or once, and picture by picture. The browser's own controls do the rest.
// Which picture is in sight the browser says itself, with every picture it presents; the clock alone is not that exact.
const clock = (seconds) =>
  `${Math.floor(seconds / 60)}:${((Math.floor(seconds * 100 + 0.01) / 100) % 60).toFixed(2).padStart(5, "0")}`;

class VideoPlayer extends HTMLElement {
  #listening;
  #watching;
  #shown = null; // seconds: the time of the picture in sight
  #aim = null; // the picture a step leads to, for as long as it is on its way

  connectedCallback() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    this.addEventListener("change", ({ target }) => this.#changed(target), { signal });
    this.addEventListener("click", (event) => this.#clicked(event), { signal });
    for (const kind of ["timeupdate", "seeked", "loadedmetadata"])
      this.video.addEventListener(kind, () => this.#tell(), { signal });
    for (const kind of ["play", "pause"]) this.video.addEventListener(kind, () => this.#state(), { signal });
    // Read in a document of no window, as fragments are, it has looked for its source in vain.
    if (this.video.networkState === HTMLMediaElement.NETWORK_NO_SOURCE) this.video.load();
    this.#watch();
    this.#tell();
    this.#state();
  }

  disconnectedCallback() {
    this.#listening.abort();
    this.video.cancelVideoFrameCallback?.(this.#watching);
  }

  get video() {
    return this.querySelector("video");
  }
  get rate() {
    return Number(this.dataset.rate) || 24;
  }
  get last() {
    return Math.max(0, Math.round((this.video.duration || 0) * this.rate) - 1);
  }
  get picture() {
    return Math.min(this.last, Math.floor((this.#shown ?? this.video.currentTime) * this.rate + 0.01));
  }

  #watch() {
    this.#watching = this.video.requestVideoFrameCallback?.((_now, { mediaTime }) => {
      this.#shown = mediaTime;
      this.#aim = null;
      this.#tell();
      this.#watch();
    });
  }

  #changed(target) {
    if (target.name === "speed") this.video.playbackRate = Number(target.value);
    if (target.name === "repeat") this.video.loop = target.checked;
  }

  #clicked({ target }) {
    const button = target.closest("[data-step], [data-play]");
    if (!button) return;
    if (button.dataset.step) this.step(Number(button.dataset.step));
    else if (this.video.paused) this.video.play();
    else this.video.pause();
  }

  // The middle of a picture's time is surely that picture, whichever way a player rounds.
  step(by) {
    this.video.pause();
    this.#aim = Math.min(this.last, Math.max(0, (this.#aim ?? this.picture) + by));
    this.video.currentTime = (this.#aim + 0.5) / this.rate;
  }

  #tell() {
    const shown = this.#shown ?? this.video.currentTime;
    this.querySelector(".player-position").textContent = `${clock(shown)} · ${this.picture + 1}`;
    for (const at of this.querySelectorAll("[data-playhead]")) at.value = shown.toFixed(6);
  }

  #state() {
    this.querySelector("[data-play] use").setAttribute("href", this.video.paused ? "#i-play" : "#i-pause");
  }
}

customElements.define("video-player", VideoPlayer);

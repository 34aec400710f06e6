// Several films, one transport. The longest film is the clock; the others follow it, and hold their last picture.
const FRAME_RATE = 24,
  NEAR = 0.008,
  FAR = 0.25,
  NUDGE = 2,
  MOST = 0.25;

class VideoCompare extends HTMLElement {
  #listening;
  #films;
  #playing = false;
  #waiting = false;
  #resume = false;
  #wanted = new Map();
  #speed = 1;
  #frame;

  connectedCallback() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    this.#films = [...this.querySelectorAll("video")];
    for (const film of this.#films) {
      film.controls = false;
      film.muted = true;
      film.tabIndex = -1;
      film.addEventListener("loadedmetadata", () => this.#measure(), { signal });
      film.addEventListener("seeked", () => this.#settle(film), { signal });
      film.addEventListener("ended", () => film === this.#clock && this.#playing && this.#ended(), { signal });
      film.addEventListener("click", () => this.toggle(), { signal });
    }
    this.addEventListener("click", (event) => this.#pressed(event.target), { signal });
    this.addEventListener("input", ({ target }) => target.matches(".scrub") && this.#scrub(Number(target.value)), {
      signal,
    });
    this.addEventListener("change", ({ target }) => this.#changed(target), { signal });
    this.#measure();
  }

  disconnectedCallback() {
    this.#listening.abort();
    this.pause();
  }

  get isPlaying() {
    return this.#playing;
  }

  get #clock() {
    return this.#films.reduce((one, other) => ((other.duration || 0) > (one.duration || 0) ? other : one));
  }

  get #length() {
    return this.#clock.duration || 0;
  }

  // The end of a film is its last picture, not the nothing after it.
  #within(film, time) {
    return Math.max(0, Math.min(time, (film.duration || 0) - 0.5 / this.#rate(film)));
  }

  #rate(film) {
    return Number(film.dataset.rate) || FRAME_RATE;
  }

  #measure() {
    this.querySelector(".scrub").max = this.#length || 1;
    this.#show();
  }

  #pressed(target) {
    const button = target.closest("button");
    if (!button) return;
    if ("play" in button.dataset) this.toggle();
    if ("back" in button.dataset) this.step(-1);
    if ("forward" in button.dataset) this.step(1);
    if ("sound" in button.dataset) this.#listen(button);
  }

  #changed(target) {
    if (target.name === "speed") {
      this.#speed = Number(target.value);
      for (const film of this.#films) film.playbackRate = this.#speed;
    }
    if (target.matches(".scrub") && this.#resume) {
      this.#resume = false;
      this.play();
    }
  }

  // Sound comes from one film or from none.
  #listen(button) {
    const on = button.getAttribute("aria-pressed") !== "true";
    for (const lane of this.querySelectorAll(".lane")) {
      const own = on && lane.contains(button);
      lane.querySelector("video").muted = !own;
      lane.querySelector("[data-sound]").setAttribute("aria-pressed", String(own));
    }
  }

  toggle() {
    return this.#playing ? this.pause() : this.play();
  }

  async play() {
    if (!this.#length) return;
    this.#playing = true;
    this.#button();
    if (this.#clock.ended || this.#clock.currentTime >= this.#within(this.#clock, Infinity)) await this.seek(0);
    else await this.seek(this.#clock.currentTime);
    if (!this.#playing) return;
    for (const film of this.#films) film.playbackRate = this.#speed;
    await Promise.all(this.#films.filter((film) => this.#goesOn(film)).map((film) => film.play().catch(() => {})));
    cancelAnimationFrame(this.#frame);
    this.#follow();
  }

  pause() {
    this.#playing = this.#waiting = false;
    cancelAnimationFrame(this.#frame);
    for (const film of this.#films) film.pause();
    this.#button();
    if (this.isConnected && this.#length) this.seek(this.#clock.currentTime);
  }

  step(by) {
    if (this.#playing) this.pause();
    const rate = Math.max(...this.#films.map((film) => this.#rate(film)));
    const picture = Math.floor((this.#wanted.get(this.#clock) ?? this.#clock.currentTime) * rate + 0.01) + by;
    return this.seek(Math.min(Math.max(0, (picture + 0.5) / rate), this.#length));
  }

  #scrub(time) {
    if (this.#playing) {
      this.pause();
      this.#resume = true;
    }
    this.seek(time);
  }

  // A film that still seeks goes on to the latest place asked for when it has arrived.
  seek(time) {
    const arrivals = this.#films.map(
      (film) =>
        new Promise((resolve) => {
          const place = this.#within(film, time);
          if (!film.seeking && Math.abs(film.currentTime - place) < 0.0005) return resolve();
          film.addEventListener("seeked", () => resolve(), { once: true, signal: this.#listening.signal });
          if (film.seeking) this.#wanted.set(film, place);
          else film.currentTime = place;
        }),
    );
    this.#show(time);
    return Promise.all(arrivals);
  }

  #settle(film) {
    if (!this.#wanted.has(film)) return;
    film.currentTime = this.#wanted.get(film);
    this.#wanted.delete(film);
  }

  #goesOn(film) {
    return this.#clock === film || this.#clock.currentTime < this.#within(film, Infinity);
  }

  #isStalled(film) {
    return this.#goesOn(film) && !film.ended && film.readyState < HTMLMediaElement.HAVE_FUTURE_DATA && !film.seeking;
  }

  // While one video buffers, all of them wait.
  #wait(late) {
    this.#waiting = late;
    for (const film of this.#films.filter(({ readyState }) => readyState >= HTMLMediaElement.HAVE_FUTURE_DATA)) {
      if (late) film.pause();
      else if (this.#goesOn(film)) film.play().catch(() => {});
    }
  }

  // Each picture: who is a little ahead goes a little slower; who is far off is put right at once.
  #follow() {
    const clock = this.#clock;
    const late = this.#films.some((film) => this.#isStalled(film));
    if (late !== this.#waiting) this.#wait(late);
    if (!late) for (const film of this.#films) if (film !== clock) this.#steer(film, clock.currentTime);
    this.#show();
    if (this.#playing) this.#frame = requestAnimationFrame(() => this.#follow());
  }

  #steer(film, time) {
    if (film.seeking || film.ended || !this.#goesOn(film)) return;
    if (film.paused) film.play().catch(() => {});
    const ahead = film.currentTime - time;
    if (Math.abs(ahead) > FAR) film.currentTime = time;
    else
      film.playbackRate =
        this.#speed * (Math.abs(ahead) < NEAR ? 1 : 1 - Math.max(-MOST, Math.min(MOST, ahead * NUDGE * 2)));
  }

  async #ended() {
    if (!this.querySelector("[name=repeat]").checked) return this.pause();
    await this.seek(0);
    if (this.#playing) this.play();
  }

  #button() {
    const button = this.querySelector("[data-play]");
    const word = this.#playing ? "Pause" : "Play";
    button.setAttribute("aria-label", word);
    button.title = `${word} (Space)`;
    button.querySelector("use").setAttribute("href", this.#playing ? "#i-pause" : "#i-play");
  }

  #show(time = this.#clock.currentTime) {
    const scrub = this.querySelector(".scrub");
    if (!scrub.matches(":active") || !this.#playing) scrub.value = time;
    const words = `${time.toFixed(2)} of ${this.#length.toFixed(2)} s`;
    scrub.setAttribute("aria-valuetext", words);
    const output = this.querySelector("[data-time]");
    if (output.textContent !== words) output.textContent = words;
  }
}

customElements.define("video-compare", VideoCompare);

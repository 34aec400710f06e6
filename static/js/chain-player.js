// A chain of clips from its first to its last: two screens, of which one plays while the other has the next one ready.
// The next one is asked to play shortly before the end of the one in sight: as long before as it took the last time
// until it was seen. So there is no still picture between two, and hardly one is lost.
const FIRST_EARLY = 100,
  MOST_EARLY = 150; // ms
const PATIENCE = 400; // ms after which the next one is shown, seen or not

class ChainPlayer extends HTMLElement {
  #listening;
  #clips = [];
  #at = 0;
  #watch = 0;
  #early = FIRST_EARLY;
  #turning = false; // the next one is asked to play and not seen yet

  // What was measured: for each change of clips the ms from the end of one to the first picture of the next.
  gaps = [];

  connectedCallback() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    this.#clips = [...this.querySelectorAll("[data-src]")];
    for (const clip of this.#clips) clip.style.setProperty("flex-grow", clip.dataset.seconds);
    this.addEventListener("click", (event) => this.#clicked(event), { signal });
    this.dialog.addEventListener("keydown", (event) => this.#pressed(event), { signal });
    this.dialog.addEventListener("close", () => this.stop(), { signal });
    const screens = [0, 1].map(() =>
      Object.assign(document.createElement("video"), { playsInline: true, preload: "none", ariaHidden: "true" }),
    );
    screens[0].dataset.on = "";
    this.querySelector(".chain-stage").replaceChildren(...screens);
    for (const video of this.querySelectorAll("video")) {
      video.addEventListener("ended", () => video === this.shown && this.#end(), { signal });
      video.addEventListener("error", () => video === this.shown && video.src && this.#broken(), { signal });
      for (const kind of ["play", "pause"])
        video.addEventListener(kind, () => video === this.shown && this.#state(), { signal });
    }
    this.#centre();
  }

  disconnectedCallback() {
    this.#listening.abort();
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
    return this.#clips[this.#at + 1] ?? (this.querySelector("[name=repeat]").checked ? this.#clips[0] : undefined);
  }

  // In a long tree the clip of this page is what is looked for.
  #centre() {
    const tree = this.closest("section")?.querySelector(".tree");
    const here = tree?.querySelector("[aria-current]");
    if (here)
      tree.scrollLeft +=
        here.getBoundingClientRect().left -
        tree.getBoundingClientRect().left -
        (tree.clientWidth - here.clientWidth) / 2;
  }

  #clicked({ target }) {
    if (target.closest("[data-start]")) this.open();
    else if (target.closest("[data-stop]")) this.dialog.close();
    else if (target.closest("video, [data-pause]")) this.#toggle();
    else if (target.closest("[data-src]")) this.play(this.#clips.indexOf(target.closest("[data-src]")));
  }

  // Keys mean the chain while it is open, and nothing of what lies below.
  #pressed(event) {
    event.stopPropagation();
    const { key, target } = event;
    if (key === " " && !target.closest("button, input")) this.#toggle();
    else if (key === "ArrowRight" && this.#clips[this.#at + 1]) this.play(this.#at + 1);
    else if (key === "ArrowLeft") this.play(Math.max(0, this.#at - 1));
    else return;
    event.preventDefault();
  }

  open() {
    for (const video of document.querySelectorAll("video")) video.pause();
    this.gaps = [];
    this.dialog.showModal();
    this.play(0);
  }

  stop() {
    cancelAnimationFrame(this.#watch);
    this.#turning = false;
    for (const video of this.querySelectorAll("video")) {
      video.pause();
      video.removeAttribute("src");
      video.load();
    }
  }

  play(number) {
    cancelAnimationFrame(this.#watch);
    this.#turning = false;
    this.#at = number;
    this.shown.poster = this.#clips[number].dataset.poster;
    this.shown.src = this.#clips[number].dataset.src;
    this.#ready();
    this.#mark();
    this.shown.play().catch(() => this.#state());
    this.#look();
  }

  #toggle() {
    if (!this.shown.paused) this.shown.pause();
    else if (this.shown.ended && !this.#next) this.play(0);
    else this.shown.play();
  }

  // The next one is fetched whole and has its first picture decoded before it is needed.
  #ready() {
    const next = this.#next;
    if (!next || this.waiting.getAttribute("src") === next.dataset.src) return;
    this.waiting.removeAttribute("poster");
    Object.assign(this.waiting, { preload: "auto", src: next.dataset.src });
    this.waiting.load();
  }

  #look() {
    this.#watch = requestAnimationFrame(() => this.#look());
    const { currentTime, duration, paused } = this.shown;
    if (!paused && duration && currentTime >= duration - this.#early / 1000 && this.#next) this.#turn();
    if (!this.#turning) this.#clips[this.#at].style.setProperty("--progress", duration ? currentTime / duration : 0);
  }

  #end() {
    if (this.#next) this.#turn();
    else this.#clips[this.#at].style.setProperty("--progress", 1);
  }

  #turn() {
    if (this.#turning) return;
    this.#ready();
    this.#turning = true;
    const from = this.shown,
      to = this.waiting;
    const asked = performance.now();
    const end = asked + Math.max(0, from.duration - from.currentTime) * 1000;
    const late = setTimeout(() => show(performance.now()), PATIENCE);
    const show = (now) => {
      clearTimeout(late);
      if (!this.#turning || to.hasAttribute("data-on")) return;
      from.removeAttribute("data-on");
      to.dataset.on = "";
      from.pause();
      this.gaps.push(now - end);
      this.#early = Math.min(MOST_EARLY, (this.#early + now - asked) / 2);
      this.#turning = false;
      this.#at = this.#clips.indexOf(this.#next);
      this.#ready();
      this.#mark();
      if (to.error) this.#broken();
    };
    to.requestVideoFrameCallback?.(show);
    to.play().catch(() => {});
  }

  #broken() {
    this.querySelector(".chain-place").textContent = `Clip ${this.#at + 1} cannot be played`;
    if (this.#clips[this.#at + 1]) setTimeout(() => this.dialog.open && this.play(this.#at + 1), 1500);
  }

  #mark() {
    this.#clips.forEach((clip, number) => {
      clip.style.setProperty("--progress", number < this.#at ? 1 : 0);
      clip.toggleAttribute("data-now", number === this.#at);
      clip.querySelector("button").setAttribute("aria-current", String(number === this.#at));
    });
    this.querySelector(".chain-place").textContent = `${this.#at + 1} of ${this.#clips.length}`;
    this.querySelector(".chain-prompt").textContent = this.#clips[this.#at].querySelector("button").title;
    this.#state();
  }

  #state() {
    this.querySelector("[data-pause] use").setAttribute("href", this.shown.paused ? "#i-play" : "#i-pause");
  }
}

customElements.define("chain-player", ChainPlayer);

// Three ways to say a time: elapsed (m:ss), usual (m:ss), ago. One tick a second serves them all.
const minutes = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
const ticking = new Set();
setInterval(() => {
  if (!document.hidden) for (const clock of ticking) clock.tick();
}, 1000);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) for (const clock of ticking) clock.tick();
});

class Clock extends HTMLElement {
  connectedCallback() {
    ticking.add(this);
    this.tick();
  }

  disconnectedCallback() {
    ticking.delete(this);
  }
}

class ElapsedClock extends Clock {
  // The age at rendering comes from the server's own two times; from there the browser only counts on.
  #attached = performance.now();

  tick() {
    const atRendering = Number(this.dataset.now) - Number(this.dataset.since);
    this.textContent = minutes(Math.max(0, atRendering + (performance.now() - this.#attached) / 1000));
  }
}

class UsualTime extends HTMLElement {
  connectedCallback() {
    this.textContent = `, usually about ${minutes(Number(this.dataset.seconds))}`;
  }
}

class TimeAgo extends Clock {
  tick() {
    const time = this.firstElementChild;
    if (!time) return;
    const then = new Date(time.dateTime);
    const seconds = (Date.now() - then) / 1000;
    time.title ||= then.toLocaleString([], { dateStyle: "full", timeStyle: "medium" });
    let words;
    if (seconds < 50) words = "just now";
    else if (seconds < 3600) words = `${Math.max(1, Math.round(seconds / 60))} min ago`;
    else if (seconds < 6 * 3600) words = `${Math.round(seconds / 3600)} h ago`;
    // Older ones keep the hour the server wrote: the day stands above them.
    if (words && words !== time.textContent) time.textContent = words;
  }
}

customElements.define("elapsed-clock", ElapsedClock);
customElements.define("usual-time", UsualTime);
customElements.define("time-ago", TimeAgo);

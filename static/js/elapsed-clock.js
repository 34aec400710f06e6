// The time since data-since, as m:ss. Both times come from the server, so that the browser's clock need not be right.
import { Clock } from "./clock.js";

class ElapsedClock extends Clock {
  #createdAt = performance.now();

  tick() {
    const { now, since } = this.dataset;
    const elapsed = Number(now) - Number(since) + (performance.now() - this.#createdAt) / 1000;
    const seconds = Math.floor(Math.max(0, elapsed));
    this.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }
}

customElements.define("elapsed-clock", ElapsedClock);

// The time since data-since as m:ss, and whether it exceeds data-usual; both in seconds.
import { Clock, serverNow } from "./clock.js";

class ElapsedClock extends Clock {
  tick() {
    const { since, usual } = this.dataset;
    const seconds = Math.floor(Math.max(0, serverNow() / 1000 - since));
    this.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    if (seconds > usual) this.parentElement.querySelector(".usual").textContent = "longer than usual";
  }
}

customElements.define("elapsed-clock", ElapsedClock);

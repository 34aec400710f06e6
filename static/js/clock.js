// A custom element that updates its text every second, and at once when a hidden tab is shown again.
import { BaseElement } from "./base-element.js";

const clocks = new Set();

function tickAll() {
  if (!document.hidden) for (const clock of clocks) clock.tick();
}

setInterval(tickAll, 1000);
document.addEventListener("visibilitychange", tickAll);

export class Clock extends BaseElement {
  connect() {
    clocks.add(this);
    this.tick();
  }

  disconnect() {
    clocks.delete(this);
  }
}

// The server's clock, and the base class of elements that show a time. The browser's clock may be wrong by hours, or be
// set while a page is open. The page contains the server's time and every poll corrects it; after the computer slept or
// the browser's clock was set, the page asks the server.
import { BaseElement } from "./base-element.js";

const TOLERANCE_MS = 2000; // a Date header has whole seconds
const [navigation] = performance.getEntriesByType("navigation");
const getDrift = () => Date.now() - performance.now();
let startedAt = Number(document.querySelector("meta[name=server-time]").content) * 1000 - navigation.responseStart;
let drift = getDrift();

// The server's time in milliseconds.
export const serverNow = () => startedAt + performance.now();

function readDate(date) {
  const started = Date.parse(date) - performance.now();
  drift = getDrift();
  if (Math.abs(started - startedAt) > TOLERANCE_MS) startedAt = started;
}

async function ask() {
  drift = getDrift();
  const response = await fetch("/healthz", { method: "HEAD", cache: "no-store" }).catch(() => null);
  if (response) readDate(response.headers.get("Date"));
  else drift = 0; // differs from getDrift(), so that the next tick asks again
}

// A page from the browser's cache has an old time.
if (navigation.type === "back_forward") ask();
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  const date = detail.xhr.getResponseHeader("Date");
  if (date) readDate(date);
});

const clocks = new Set();

function tickAll() {
  if (document.hidden) return;
  if (Math.abs(getDrift() - drift) > TOLERANCE_MS) ask();
  for (const clock of clocks) clock.tick();
}

setInterval(tickAll, 1000);
document.addEventListener("visibilitychange", tickAll);

// Its tick() is called every second, and at once when a hidden tab is shown again.
export class Clock extends BaseElement {
  connect() {
    clocks.add(this);
    this.tick();
  }

  disconnect() {
    clocks.delete(this);
  }
}

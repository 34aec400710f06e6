// Replaces the time of day of something recent by its age: "5 min ago".
import { Clock, serverNow } from "./clock.js";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const format = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "short", timeZone: "UTC" });

function ageText(seconds) {
  if (seconds < 50) return "just now";
  if (seconds < HOUR) return `${Math.max(1, Math.round(seconds / MINUTE))} min ago`;
  return `${Math.round(seconds / HOUR)} h ago`;
}

class TimeAgo extends Clock {
  tick() {
    const time = this.firstElementChild;
    if (!time) return;
    // The time of day of the team's time zone, as in the days above it.
    time.title ||= format.format(new Date(`${time.dateTime.slice(0, 19)}Z`));
    const seconds = (serverNow() - Date.parse(time.dateTime)) / 1000;
    // Older ones keep the time of day: their date stands above them.
    if (seconds >= 6 * HOUR) return;
    const text = ageText(seconds);
    if (text !== time.textContent) time.textContent = text;
  }
}

customElements.define("time-ago", TimeAgo);

// The account menu: the theme, and notifications when the member's queue is empty while another tab is in front.
import { BaseElement } from "./base-element.js";

const YEAR = 365 * 24 * 3600;
const NOT_SECURE = "Notifications need an https address.";
const BLOCKED =
  "This browser blocks notifications of this site. Allow them in the site's settings, then switch this on.";
const NOT_ALLOWED = "Not allowed yet: the browser asks again when you switch this on.";
const OBSERVED = {
  childList: true,
  attributes: true,
  subtree: true,
  attributeFilter: ["data-mine", "data-ready"],
};

class AccountMenu extends BaseElement {
  #title = document.title;
  #inFlight = 0;
  // The server replaces the pill with the counts, so its parent is observed.
  #pill = new MutationObserver(() => this.#handleCounts());

  connect(signal) {
    this.addEventListener("change", ({ target }) => this.#handleChange(target), { signal });
    document.addEventListener("visibilitychange", () => this.#handleVisibility(), { signal });
    const pill = document.getElementById("in-flight");
    this.#inFlight = Number(pill?.dataset.mine ?? 0);
    if (pill) this.#pill.observe(pill.parentElement, OBSERVED);
    this.#updateSwitch();
  }

  disconnect() {
    this.#pill.disconnect();
  }

  #handleChange(field) {
    if (field.name === "theme") this.#setTheme(field.value);
    if (field.name === "notify") this.#setNotify(field);
  }

  // The choice belongs to the member and applies in every browser.
  #save(name, value) {
    const body = new FormData(this.parentElement.querySelector("form"));
    body.set(name, value);
    fetch("/profile/choices/", { method: "POST", body, keepalive: true }).catch(() => {});
  }

  // The cookie gives the sign-in page the same theme.
  #setTheme(theme) {
    this.#save("theme", theme);
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `theme=${theme}; Path=/; Max-Age=${theme ? YEAR : 0}; SameSite=Lax${secure}`;
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
  }

  // The browser asks the member at this click and never before.
  async #setNotify(box) {
    if (box.checked && window.Notification) await Notification.requestPermission();
    const isAllowed = box.checked && window.Notification?.permission === "granted";
    this.toggleAttribute("data-notify", isAllowed);
    this.#save("notify", isAllowed ? "on" : "");
    this.#updateSwitch(box.checked && !this.#notifies);
  }

  get #notifies() {
    return window.Notification?.permission === "granted" && "notify" in this.dataset;
  }

  #updateSwitch(isRefused = false) {
    const box = this.querySelector("[name=notify]");
    const hint = this.querySelector("[data-notify-hint]");
    if (!box) return;
    box.checked = this.#notifies;
    if (!window.Notification || !isSecureContext) {
      box.disabled = true;
      hint.textContent = NOT_SECURE;
    } else if (Notification.permission === "denied") hint.textContent = BLOCKED;
    else if (isRefused) hint.textContent = NOT_ALLOWED;
    hint.hidden = !hint.textContent || box.checked;
  }

  #handleVisibility() {
    if (document.hidden) this.#title = document.title;
    else document.title = this.#title;
  }

  #handleCounts() {
    const pill = document.getElementById("in-flight");
    if (!pill) return;
    const before = this.#inFlight;
    this.#inFlight = Number(pill.dataset.mine);
    if (!document.hidden) return;
    const ready = Number(pill.dataset.ready ?? 0);
    document.title = ready ? `(${ready}) Lumaweb` : this.#title;
    if (before && !this.#inFlight && this.#notifies) this.#notify(ready);
  }

  #notify(ready) {
    const videos = ready === 1 ? "1 video is" : `${ready} videos are`;
    const body = ready ? `${videos} ready.` : "None of your videos is in progress.";
    const notification = new Notification("Your queue is empty", { body, tag: "lumaweb-queue" });
    notification.addEventListener("click", () => {
      window.focus();
      notification.close();
    });
  }
}

customElements.define("account-menu", AccountMenu);

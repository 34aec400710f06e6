// The account menu: dark or light, and who is told when a video is ready while they look elsewhere.
const YEAR = 365 * 24 * 3600;
const BLOCKED =
  "This browser blocks notifications of this site. Allow them in the site's settings, then switch this on.";

class AccountMenu extends HTMLElement {
  #listening;
  #title = document.title;
  #mine = 0;
  // The server swaps the pill with the numbers: its successor is a new element in the same place.
  #pill = new MutationObserver(() => this.#counted());

  connectedCallback() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    this.addEventListener("change", this, { signal });
    document.addEventListener("visibilitychange", () => this.#turned(), { signal });
    const pill = document.getElementById("in-flight");
    this.#mine = Number(pill?.dataset.mine ?? 0);
    if (pill)
      this.#pill.observe(pill.parentElement, {
        childList: true,
        attributes: true,
        subtree: true,
        attributeFilter: ["data-mine", "data-ready"],
      });
    this.#state();
  }

  disconnectedCallback() {
    this.#listening.abort();
    this.#pill.disconnect();
  }

  handleEvent({ target }) {
    if (target.name === "theme") this.#theme(target.value);
    if (target.name === "notify") this.#notify(target);
  }

  // What was chosen is the member's, in every browser.
  #keep(name, value) {
    const choice = new FormData(this.parentElement.querySelector("form"));
    choice.set(name, value);
    fetch("/profile/choices/", { method: "POST", body: choice, keepalive: true }).catch(() => {});
  }

  // Also in a cookie, so that the sign-in page is no flash of another light.
  #theme(value) {
    this.#keep("theme", value);
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `theme=${value}; Path=/; Max-Age=${value ? YEAR : 0}; SameSite=Lax${secure}`;
    if (value) document.documentElement.dataset.theme = value;
    else delete document.documentElement.dataset.theme;
  }

  // Asked for at the click and never before.
  async #notify(box) {
    if (box.checked && window.Notification) await Notification.requestPermission();
    const wanted = box.checked && window.Notification?.permission === "granted";
    this.toggleAttribute("data-notify", wanted);
    this.#keep("notify", wanted ? "on" : "");
    const refused = box.checked && !this.#wanted;
    this.#state(refused);
  }

  get #wanted() {
    return window.Notification?.permission === "granted" && "notify" in this.dataset;
  }

  #state(refused = false) {
    const box = this.querySelector("[name=notify]"),
      words = this.querySelector("[data-notify-hint]");
    if (!box) return;
    box.checked = this.#wanted;
    if (!window.Notification || !isSecureContext) {
      box.disabled = true;
      words.textContent = "Notifications need an https address.";
    } else if (refused || Notification.permission === "denied") {
      words.textContent =
        Notification.permission === "denied"
          ? BLOCKED
          : "Not allowed yet: the browser asks again when you switch this on.";
    }
    words.hidden = !words.textContent || box.checked;
  }

  #turned() {
    if (document.hidden) this.#title = document.title;
    else document.title = this.#title;
  }

  #counted() {
    const pill = document.getElementById("in-flight");
    if (!pill) return;
    const before = this.#mine;
    this.#mine = Number(pill.dataset.mine);
    if (!document.hidden) return;
    const ready = Number(pill.dataset.ready ?? 0);
    document.title = ready ? `(${ready}) Lumaweb` : this.#title;
    if (before && !this.#mine && this.#wanted) this.#tell(ready);
  }

  #tell(ready) {
    const body = ready
      ? `${ready === 1 ? "1 video is" : `${ready} videos are`} ready.`
      : "Nothing of yours is in the making any more.";
    const note = new Notification("Your queue is empty", { body, tag: "lumaweb-queue" });
    note.addEventListener("click", () => {
      window.focus();
      note.close();
    });
  }
}

customElements.define("account-menu", AccountMenu);

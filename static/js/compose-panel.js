// The panel with the form. On a phone it is a sheet: it takes the focus, keeps it, and gives it back.
const phone = matchMedia("(max-width: 860px)");

class ComposePanel extends HTMLElement {
  #listening;
  #opener = null;
  #form = null;

  connectedCallback() {
    this.dataset.live = "";
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    document.addEventListener("click", (event) => this.#clicked(event), { signal });
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.#isSheet && this.close(), { signal });
    document.addEventListener("htmx:afterSettle", () => this.#arrived(), { signal });
    this.addEventListener("htmx:afterRequest", (event) => this.#answered(event), { signal });
    this.addEventListener("htmx:beforeRequest", (event) => this.#busy(event, "true"), { signal });
    phone.addEventListener("change", () => this.#guard(), { signal });
    this.#form = this.querySelector("#composer");
    if (location.hash === "#new") this.setAttribute("open", "");
    this.#guard();
    this.querySelector("[aria-invalid=true]")?.focus();
  }

  disconnectedCallback() {
    this.#listening.abort();
  }

  get #isSheet() {
    return phone.matches && this.hasAttribute("open");
  }

  #clicked(event) {
    const link = event.target.closest("[data-open], [data-close]");
    if (!link) return;
    event.preventDefault();
    if ("open" in link.dataset) this.open(link);
    else this.close();
  }

  open(opener = document.activeElement) {
    this.#opener = opener;
    this.setAttribute("open", "");
    this.#guard();
    this.querySelector("#prompt").focus({ preventScroll: true });
  }

  close() {
    this.removeAttribute("open");
    this.#guard();
    if (this.#opener?.isConnected) this.#opener.focus({ preventScroll: true });
    this.#opener = null;
  }

  // While the sheet is open nothing behind it can be reached, and it says that it is a dialog.
  #guard() {
    const sheet = this.#isSheet;
    for (const behind of document.querySelectorAll(".top, .feed, .compose, .notes, .skip")) behind.inert = sheet;
    this.setAttribute("role", sheet ? "dialog" : "region");
    this.toggleAttribute("aria-modal", false);
    if (sheet) this.setAttribute("aria-modal", "true");
  }

  // Another form has come: one set up by Extend or Reuse, or this one with its errors.
  #arrived() {
    const form = this.querySelector("#composer");
    if (form === this.#form) return;
    this.#form = form;
    if (phone.matches) this.open();
    const wrong = this.querySelector("[aria-invalid=true]");
    const field = wrong ?? this.querySelector("#prompt");
    field.closest("details")?.setAttribute("open", "");
    field.focus();
    if (wrong) this.#say("announce", "The form has errors.");
  }

  #busy({ detail, target }, yes) {
    if (target.id === "composer" && detail.elt === target) target.querySelector("[type=submit]").setAttribute("aria-busy", yes);
  }

  #answered(event) {
    this.#busy(event, "false");
    const { detail, target } = event;
    if (target.id !== "composer" || detail.requestConfig.verb !== "post" || detail.xhr.status !== 200) return;
    this.#say("announce", "Sent. It is in the queue.");
    if (phone.matches) this.close();
    scrollTo({ top: 0, behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }

  #say(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
  }
}

customElements.define("compose-panel", ComposePanel);

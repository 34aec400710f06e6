// The request as code, in a panel beside the form that follows what is typed.
import { BaseElement, isComposing } from "./base-element.js";
import { stylesheetsLoaded } from "./stylesheets.js";

const ID = "request-code";
const DELAY_MS = 250;

class CodePanel extends BaseElement {
  #panel = null;
  #timer;
  #request = null;

  connect(signal) {
    const form = this.closest("form");
    this.addEventListener("click", (event) => this.#toggle(event), { signal });
    for (const type of ["input", "change", "frame"]) form.addEventListener(type, () => this.#updateSoon(), { signal });
    document.addEventListener("keydown", (event) => this.#handleKey(event), { signal });
  }

  disconnect() {
    clearTimeout(this.#timer);
    this.#panel?.remove();
    this.#panel = null;
  }

  get #button() {
    return this.querySelector("button");
  }

  get #isOpen() {
    return Boolean(this.#panel?.matches(":popover-open"));
  }

  #handleKey(event) {
    if (event.key !== "Escape" || isComposing(event) || event.defaultPrevented || !this.#isOpen) return;
    // What is above it closes first.
    if (document.querySelector("dialog:modal, [popover]:not([popover=manual]):popover-open")) return;
    event.preventDefault();
    this.#close();
  }

  async #toggle(event) {
    event.preventDefault();
    if (this.#isOpen) return this.#close();
    if (!this.#panel) this.#build();
    if (!(await this.#update())) return;
    this.#panel.showPopover();
    this.#panel.querySelector("[data-close]").focus();
  }

  #build() {
    this.#panel = Object.assign(document.createElement("section"), {
      id: ID,
      className: "dialog code beside",
      popover: "manual",
      role: "dialog",
    });
    this.#panel.setAttribute("aria-labelledby", `${ID}-head`);
    this.#panel.addEventListener("click", ({ target }) => target.closest("[data-close]") && this.#close());
    document.body.append(this.#panel);
  }

  #close() {
    this.#panel.hidePopover();
    this.#button.focus();
  }

  #updateSoon() {
    if (!this.#isOpen) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#update(), DELAY_MS);
  }

  // Returns whether the panel shows the code of the present form.
  async #update() {
    const body = new FormData(this.closest("form"));
    for (const [name, value] of [...body]) if (value instanceof File) body.delete(name);
    const language = this.#panel.querySelector(":checked")?.value;
    if (language) body.set(`${ID}-language`, language);
    this.#request?.abort();
    this.#request = new AbortController();
    const { signal } = this.#request;
    try {
      const headers = { "HX-Request": "true", "HX-Target": ID };
      const response = await fetch(this.#button.formAction, { method: "POST", body, signal, headers });
      if (!response.ok || response.headers.has("HX-Redirect")) throw new Error(response.status);
      this.#fill(await response.text());
      await stylesheetsLoaded(this.#panel);
      return true;
    } catch (error) {
      if (error.name !== "AbortError") this.showError("The code could not be written. Try again in a moment.");
      return false;
    }
  }

  // Replaces only what changed, which keeps the focus, the scroll position and the copy buttons.
  #fill(markup) {
    const fresh = new DOMParser().parseFromString(markup, "text/html");
    if (!this.#panel.childElementCount)
      return this.#panel.append(...fresh.querySelectorAll("head > *"), ...fresh.body.childNodes);
    for (const code of fresh.querySelectorAll("code")) document.getElementById(code.id).textContent = code.textContent;
    for (const note of this.#panel.querySelectorAll(".note")) note.remove();
    this.#panel.querySelector(".code-head").after(...fresh.querySelectorAll(".note"));
  }
}

customElements.define("code-panel", CodePanel);

// The member's earlier prompts, for the prompt field: one by one, or as a list. Loaded when first used.
import { stylesheetsLoaded } from "./stylesheets.js";

export class PromptHistory {
  #field;
  #prompts = null;
  #position = -1; // -1: the member's own text
  #draft = "";

  constructor(field) {
    this.#field = field;
    field.addEventListener("input", () => {
      this.#position = -1;
    });
  }

  async #load() {
    const response = await fetch(this.#field.dataset.historyUrl, { headers: { "HX-Request": "true" } });
    if (!response.ok || response.headers.has("HX-Redirect")) throw new Error("no prompts");
    const list = this.#field.querySelector(".prompt-history-list");
    list.innerHTML = await response.text();
    await stylesheetsLoaded(list);
    this.#prompts = [...list.querySelectorAll("a")].map(({ textContent }) => textContent);
  }

  async step(by) {
    const { text } = this.#field;
    if (this.#position < 0) this.#draft = text.value;
    try {
      if (!this.#prompts) await this.#load();
    } catch {
      return this.#field.showError("Your earlier prompts could not be fetched. Try again in a moment.");
    }
    const prompts = this.#prompts.filter((prompt) => prompt !== this.#draft);
    if (this.#position < 0 && (by < 0 || !prompts.length)) return;
    const position = Math.min(this.#position + by, prompts.length - 1);
    text.value = position < 0 ? this.#draft : prompts[position];
    text.dispatchEvent(new Event("input", { bubbles: true }));
    this.#position = position;
    const place = position < 0 ? "What you typed." : `Earlier prompt ${position + 1} of ${prompts.length}.`;
    this.#field.announce(place);
  }

  async open(link) {
    try {
      await this.#load();
    } catch {
      return location.assign(link.href);
    }
    const { menu } = this.#field;
    menu.showPopover();
    const { left, width } = this.#field.getBoundingClientRect();
    menu.style.left = `${left}px`;
    menu.style.width = `${width}px`;
    menu.style.top = `${Math.min(link.getBoundingClientRect().bottom + 6, innerHeight - menu.offsetHeight - 8)}px`;
    menu.querySelector("a")?.focus();
  }
}

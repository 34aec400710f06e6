// What one asked for before, for the prompt: step by step through it, or as a list. Comes at its first use.
export class PromptHistory {
  #field;
  #prompts = null;
  #place = -1;
  #typed = "";

  constructor(field) {
    this.#field = field;
    field.addEventListener("input", () => {
      this.#place = -1;
    });
  }

  async #load() {
    const answer = await fetch(this.#field.dataset.historyUrl, { headers: { "HX-Request": "true" } });
    if (!answer.ok || answer.headers.has("HX-Redirect")) throw new Error("no prompts");
    const list = this.#field.querySelector(".prompt-history-list");
    list.innerHTML = await answer.text();
    this.#prompts = [...list.querySelectorAll("a")].map(({ textContent }) => textContent);
  }

  async walk(step) {
    const { text } = this.#field;
    if (this.#place < 0) this.#typed = text.value;
    try {
      if (!this.#prompts) await this.#load();
    } catch {
      return this.#say("toast", {
        text: "Your earlier prompts could not be fetched. Try again in a moment.",
        level: "error",
      });
    }
    // What is in the field already is no step.
    const prompts = this.#prompts.filter((prompt) => prompt !== this.#typed);
    if (this.#place < 0 && (step < 0 || !prompts.length)) return;
    const place = Math.min(this.#place + step, prompts.length - 1);
    text.value = place < 0 ? this.#typed : prompts[place];
    text.dispatchEvent(new Event("input", { bubbles: true }));
    this.#place = place;
    this.#say("announce", place < 0 ? "What you typed." : `Earlier prompt ${place + 1} of ${prompts.length}.`);
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

  #say(name, detail) {
    this.#field.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
  }
}

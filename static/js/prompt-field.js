// The prompt: grows with its text, counts near its limit. Ideas fill it. Ctrl or Cmd and Enter: paid-controls.js.
// Alt and the arrows up and down walk through what one asked for before; so does a list.
class PromptField extends HTMLElement {
  #listening;
  #earlier = null;

  connectedCallback() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    this.addEventListener("input", () => this.#measure(), { signal });
    this.closest("form").addEventListener("change", () => this.#measure(), { signal });
    this.addEventListener("keydown", (event) => this.#pressed(event), { signal });
    this.addEventListener("click", (event) => this.#clicked(event), { signal });
    this.#measure();
  }

  disconnectedCallback() {
    this.#listening.abort();
  }

  get text() {
    return this.querySelector("textarea");
  }
  get menu() {
    return this.querySelector("[popover]");
  }

  #pressed(event) {
    const { key, altKey } = event;
    if (altKey && (key === "ArrowUp" || key === "ArrowDown") && event.target === this.text) {
      event.preventDefault();
      this.#use((earlier) => earlier.walk(key === "ArrowUp" ? 1 : -1));
    } else if (event.target.matches(".prompt-option") && (key === "ArrowUp" || key === "ArrowDown")) {
      event.preventDefault();
      const item = event.target.parentElement;
      (key === "ArrowUp" ? item.previousElementSibling : item.nextElementSibling)?.querySelector("a")?.focus();
    }
  }

  async #use(step) {
    this.#earlier ??= import("./prompt-history.js").then(({ PromptHistory }) => new PromptHistory(this));
    return step(await this.#earlier);
  }

  #clicked(event) {
    const link = event.target.closest(".prompt-history-link");
    if (event.target.closest(".prompt-option")) this.menu.hidePopover();
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.#use((earlier) => earlier.open(link));
  }

  #measure() {
    const { text } = this;
    const most = Number(this.dataset.maxLength);
    const count = this.querySelector(".count");
    const several = this.closest("form").elements.several?.checked;
    const lines = several ? text.value.split("\n").filter((line) => line.trim()) : [text.value];
    // Nothing is cut off: what is too long stays and is counted, so that it can be shortened by its writer.
    const length = Math.max(0, ...lines.map((line) => [...line].length));
    count.hidden = !several && length < most * 0.8;
    if (length > most) count.textContent = `${(length - most).toLocaleString()} too many`;
    else count.textContent = several ? `${lines.length} of 50` : `${(most - length).toLocaleString()} left`;
    count.toggleAttribute("data-over", length > most || lines.length > 50);
    if (CSS.supports("field-sizing", "content")) return;
    const rows = text.value.split("\n").reduce((sum, line) => sum + Math.ceil((line.length + 1) / 42), 0);
    text.rows = Math.min(16, Math.max(4, rows));
  }
}

class PromptIdea extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", this);
  }

  disconnectedCallback() {
    this.removeEventListener("click", this);
  }

  handleEvent() {
    const prompt = document.getElementById("prompt");
    prompt.value = this.textContent.trim();
    prompt.dispatchEvent(new Event("input", { bubbles: true }));
    const panel = prompt.closest("video-form");
    if (panel?.open) panel.open(this.firstElementChild);
    else prompt.focus();
  }
}

customElements.define("prompt-field", PromptField);
customElements.define("prompt-idea", PromptIdea);

// The prompt: grows with its text and counts characters near the limit, or prompts when there may be several.
// Alt+↑ and Alt+↓ step through the member's earlier prompts; a link lists them. Ctrl+Enter: see paid-controls.js.
import { BaseElement, isComposing } from "./base-element.js";

const COUNT_FROM = 0.8; // of the limit
// Rows for browsers without field-sizing.
const MIN_ROWS = 4;
const MAX_ROWS = 16;
const COLUMNS = 42;
const number = new Intl.NumberFormat("en");

class PromptField extends BaseElement {
  #history = null;

  connect(signal) {
    this.addEventListener("input", () => this.#update(), { signal });
    this.closest("form").addEventListener("change", () => this.#update(), { signal });
    this.addEventListener("keydown", (event) => this.#handleKey(event), { signal });
    this.addEventListener("click", (event) => this.#handleClick(event), { signal });
    this.#update();
  }

  get text() {
    return this.querySelector("textarea");
  }

  get menu() {
    return this.querySelector("[popover]");
  }

  #handleKey(event) {
    const { altKey, key, target } = event;
    if ((key !== "ArrowUp" && key !== "ArrowDown") || isComposing(event)) return;
    const isUp = key === "ArrowUp";
    if (altKey && target === this.text) {
      event.preventDefault();
      this.#withHistory((history) => history.step(isUp ? 1 : -1));
    } else if (target.matches(".prompt-option")) {
      event.preventDefault();
      const item = target.parentElement;
      (isUp ? item.previousElementSibling : item.nextElementSibling)?.querySelector("a")?.focus();
    }
  }

  #handleClick(event) {
    if (event.target.closest(".prompt-option")) this.menu.hidePopover();
    const link = event.target.closest(".prompt-history-link");
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.#withHistory((history) => history.open(link));
  }

  async #withHistory(use) {
    this.#history ??= import("./prompt-history.js").then(({ PromptHistory }) => new PromptHistory(this));
    return use(await this.#history);
  }

  #update() {
    const { value } = this.text;
    const several = this.closest("form").elements.several?.checked;
    this.#count(several ? value.split("\n").filter((line) => line.trim()) : [value], several);
    if (CSS.supports("field-sizing", "content")) return;
    const rows = value.split("\n").reduce((sum, line) => sum + Math.ceil((line.length + 1) / COLUMNS), 0);
    this.text.rows = Math.min(MAX_ROWS, Math.max(MIN_ROWS, rows));
  }

  // A text that is too long is never cut, so that its writer can decide what to drop.
  #count(prompts, several) {
    const maxLength = Number(this.dataset.maxLength);
    const maxPrompts = Number(this.dataset.maxPrompts);
    const length = Math.max(0, ...prompts.map((prompt) => [...prompt].length));
    const count = this.querySelector(".count");
    count.hidden = !several && length < maxLength * COUNT_FROM;
    count.toggleAttribute("data-over", length > maxLength || prompts.length > maxPrompts);
    if (length > maxLength) count.textContent = `${number.format(length - maxLength)} too many`;
    else if (several) count.textContent = `${prompts.length} of ${maxPrompts}`;
    else count.textContent = `${number.format(maxLength - length)} left`;
  }
}

customElements.define("prompt-field", PromptField);

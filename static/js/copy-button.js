// Copies the text of its button's data-copy, or of the element that data-copy-from selects.
import { BaseElement } from "./base-element.js";

const CONFIRMATION_MS = 1600;

class CopyButton extends BaseElement {
  connect(signal) {
    this.addEventListener("click", ({ target }) => this.#copy(target.closest("button")), { signal });
  }

  async #copy(button) {
    if (!button) return;
    const { copy, copyFrom } = button.dataset;
    try {
      await navigator.clipboard.writeText(copy ?? document.querySelector(copyFrom).textContent);
    } catch {
      // Without permission or a secure context: select the text, so that the member can copy it.
      const source = copyFrom ? document.querySelector(copyFrom) : this.parentElement.querySelector("code");
      getSelection().selectAllChildren(source);
      return this.toast("Press Ctrl+C (⌘C) to copy.");
    }
    const icon = button.querySelector("use");
    icon?.setAttribute("href", "#i-check");
    setTimeout(() => icon?.setAttribute("href", "#i-copy"), CONFIRMATION_MS);
    this.announce("Copied");
  }
}

customElements.define("copy-button", CopyButton);

// Copies the text of its button's data-copy, or of the element that data-copy-from selects.
import { BaseElement } from "./base-element.js";

const CONFIRMATION_MS = 1600;
const APPLE = /Mac|iPhone|iPad|iOS/;
const { userAgentData, platform, userAgent } = navigator;
const COPY_KEYS = APPLE.test(`${userAgentData?.platform} ${platform} ${userAgent}`) ? "⌘C" : "Ctrl+C";

// For plain HTTP, where browsers have no clipboard API. Some browsers copy only if something is selected.
function copyBySelection(source, text) {
  const selection = getSelection();
  const ranges = Array.from({ length: selection.rangeCount }, (_, index) => selection.getRangeAt(index));
  const copy = (event) => {
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
    event.stopImmediatePropagation();
  };
  document.addEventListener("copy", copy, { capture: true });
  selection.selectAllChildren(source);
  const isCopied = document.execCommand("copy");
  document.removeEventListener("copy", copy, { capture: true });
  if (!isCopied) return false;
  selection.removeAllRanges();
  for (const range of ranges) selection.addRange(range);
  return true;
}

class CopyButton extends BaseElement {
  connect(signal) {
    this.addEventListener("click", ({ target }) => this.#copy(target.closest("button")), { signal });
  }

  async #copy(button) {
    if (!button) return;
    const { copy, copyFrom } = button.dataset;
    const shown = copyFrom ? document.querySelector(copyFrom) : this.parentElement.querySelector("code");
    if (await this.#write(copy ?? shown.textContent, shown ?? this)) return this.#confirm(button);
    if (!shown) return this.showError(`The browser does not let this page copy. Copy it from here: ${copy}`);
    getSelection().selectAllChildren(shown);
    this.toast(`Press ${COPY_KEYS} to copy.`);
  }

  async #write(text, source) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return copyBySelection(source, text);
    }
  }

  #confirm(button) {
    const icon = button.querySelector("use");
    const usual = icon?.getAttribute("href");
    icon?.setAttribute("href", "#i-check");
    setTimeout(() => icon?.setAttribute("href", usual), CONFIRMATION_MS);
    this.announce("Copied");
  }
}

customElements.define("copy-button", CopyButton);

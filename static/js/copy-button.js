// Copies what its button names in data-copy, or the text of the element data-copy-from points to.
class CopyButton extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", this);
  }

  disconnectedCallback() {
    this.removeEventListener("click", this);
  }

  async handleEvent({ target }) {
    const button = target.closest("button");
    if (!button) return;
    const { copy, copyFrom } = button.dataset;
    const text = copy ?? document.querySelector(copyFrom).textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // No permission, or no secure context: then it is selected, ready for Ctrl+C.
      const words = copyFrom ? document.querySelector(copyFrom) : this.parentElement.querySelector("code");
      getSelection().selectAllChildren(words);
      return this.#say("toast", { text: "Selected: press Ctrl+C to copy." });
    }
    button.querySelector("use")?.setAttribute("href", "#i-check");
    setTimeout(() => button.querySelector("use")?.setAttribute("href", "#i-copy"), 1600);
    this.#say("announce", "Copied");
  }

  #say(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
  }
}

customElements.define("copy-button", CopyButton);

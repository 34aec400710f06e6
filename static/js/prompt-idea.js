// A button that puts its text into the prompt.
import { BaseElement } from "./base-element.js";

class PromptIdea extends BaseElement {
  connect(signal) {
    this.addEventListener("click", () => this.#use(), { signal });
  }

  #use() {
    const prompt = document.getElementById("prompt");
    prompt.value = this.textContent.trim();
    prompt.dispatchEvent(new Event("input", { bubbles: true }));
    const form = prompt.closest("video-form");
    if (form?.open) form.open(this.firstElementChild);
    else prompt.focus();
  }
}

customElements.define("prompt-idea", PromptIdea);

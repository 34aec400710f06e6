// Adds a button that shows the password. The button follows the field in the order of focus, and is hidden with the
// script off. A form is submitted with a hidden password, so that browsers offer to save it and keep it as no other text.
import { BaseElement } from "./base-element.js";

class PasswordField extends BaseElement {
  #button = Object.assign(document.createElement("button"), { type: "button", className: "link password-toggle" });

  connect(signal) {
    this.input.after(this.#button);
    this.#setShown(false);
    this.#button.addEventListener("click", () => this.#toggle(), { signal });
    // The field keeps the focus, and a phone its keyboard.
    this.#button.addEventListener("mousedown", (event) => event.preventDefault(), { signal });
    this.input.form.addEventListener("submit", () => this.#setShown(false), { signal, capture: true });
  }

  disconnect() {
    this.#setShown(false);
    this.#button.remove();
  }

  get input() {
    return this.querySelector("input");
  }

  get #name() {
    const name = this.querySelector("label").textContent.trim();
    return name[0].toLowerCase() + name.slice(1);
  }

  #toggle() {
    const isShown = this.input.type === "password";
    this.#setShown(isShown);
    this.announce(`The ${this.#name} is ${isShown ? "shown" : "hidden"}.`);
  }

  #setShown(isShown) {
    const { input } = this;
    const { selectionStart, selectionEnd } = input;
    input.type = isShown ? "text" : "password";
    if (document.activeElement === input) input.setSelectionRange(selectionStart, selectionEnd);
    const name = Object.assign(document.createElement("span"), { className: "visually-hidden" });
    name.textContent = ` ${this.#name}`;
    this.#button.replaceChildren(isShown ? "Hide" : "Show", name);
  }
}

customElements.define("password-field", PasswordField);

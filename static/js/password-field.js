// Adds a button that shows the password; without this script there is no button. It follows the field in the order of
// focus. The password is hidden before a submission, so that the browser offers to save it and does not keep it as text.
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

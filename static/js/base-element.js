// The base class of the custom elements. A subclass adds its listeners in connect(), with the signal that removes them.
export class BaseElement extends HTMLElement {
  #connection;

  connectedCallback() {
    this.#connection = new AbortController();
    this.connect(this.#connection.signal);
  }

  disconnectedCallback() {
    this.#connection.abort();
    this.disconnect();
  }

  // Aborted when the element is disconnected.
  get signal() {
    return this.#connection.signal;
  }

  connect() {}

  // Stops timers, observers and requests.
  disconnect() {}

  emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
  }

  // Has screen readers say it.
  announce(text) {
    this.emit("announce", text);
  }

  // Shows a message, with a button Undo if there is a function that undoes.
  toast(text, options) {
    this.emit("toast", { text, ...options });
  }

  showError(text) {
    this.toast(text, { level: "error" });
  }
}

// Whether the key belongs to an input method. Safari sends the Enter that ends a composition after its end: only the
// key code tells. keys.js and command-key.js, which are no modules, have the same rule.
export const isComposing = (event) => event.isComposing || event.keyCode === 229;

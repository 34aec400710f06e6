// The videos in the trash. When the focused one leaves, the focus moves to its neighbour.
import { BaseElement } from "./base-element.js";

class TrashList extends BaseElement {
  connect(signal) {
    this.addEventListener("htmx:oobBeforeSwap", ({ target }) => this.#moveFocus(target), { signal });
  }

  #moveFocus(item) {
    if (!item.contains(document.activeElement)) return;
    const next = item.nextElementSibling ?? item.previousElementSibling;
    (next?.querySelector("button") ?? document.getElementById("main")).focus({ preventScroll: true });
  }
}

customElements.define("trash-list", TrashList);

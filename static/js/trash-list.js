// What was thrown away. When one leaves the trash, the focus goes on to its neighbour instead of getting lost.
class TrashList extends HTMLElement {
  connectedCallback() {
    this.addEventListener("htmx:oobBeforeSwap", this);
  }

  disconnectedCallback() {
    this.removeEventListener("htmx:oobBeforeSwap", this);
  }

  handleEvent({ target }) {
    if (!target.contains(document.activeElement)) return;
    const next = target.nextElementSibling ?? target.previousElementSibling;
    (next?.querySelector("button") ?? document.getElementById("main")).focus({ preventScroll: true });
  }
}

customElements.define("trash-list", TrashList);

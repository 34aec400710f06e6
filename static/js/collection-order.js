// The collections on their page. They are moved by dragging a handle, or by the buttons of each card.
import { BaseElement, isComposing } from "./base-element.js";

const EDGE_PX = 72; // nearer to the edge of the window, it scrolls
const SCROLL_PX = 14;

class CollectionOrder extends BaseElement {
  #card = null; // the one being dragged
  #home = null; // the card that followed it
  #pointer = null;
  #frame = 0;

  connect(signal) {
    this.addEventListener("pointerdown", (event) => this.#handleDown(event), { signal });
    this.addEventListener("pointermove", (event) => this.#handleMove(event), { signal });
    this.addEventListener("pointerup", () => this.#drop(), { signal });
    this.addEventListener("pointercancel", () => this.#cancel(), { signal });
    document.addEventListener("keydown", (event) => this.#handleKey(event), { signal });
    this.addEventListener("htmx:afterSettle", ({ detail }) => this.#handleMoved(detail), { signal });
  }

  disconnect() {
    cancelAnimationFrame(this.#frame);
  }

  #handleDown(event) {
    const handle = event.target.closest(".drag-handle");
    if (!handle || event.button !== 0) return;
    event.preventDefault();
    this.setPointerCapture(event.pointerId);
    this.#card = handle.closest(".collection-card");
    this.#home = this.#card.nextElementSibling;
    this.#card.dataset.dragged = "";
    this.#pointer = event;
    this.#scroll();
  }

  #handleMove(event) {
    if (!this.#card) return;
    this.#pointer = event;
    const over = document
      .elementsFromPoint(event.clientX, event.clientY)
      .find((element) => element.matches?.(".collection-card"));
    if (!over || over === this.#card) return;
    const isBehind = this.#card.compareDocumentPosition(over) & Node.DOCUMENT_POSITION_FOLLOWING;
    over[isBehind ? "after" : "before"](this.#card);
  }

  #scroll() {
    const { clientY } = this.#pointer;
    if (clientY < EDGE_PX) scrollBy(0, -SCROLL_PX);
    else if (clientY > innerHeight - EDGE_PX) scrollBy(0, SCROLL_PX);
    this.#frame = requestAnimationFrame(() => this.#scroll());
  }

  #end() {
    const card = this.#card;
    cancelAnimationFrame(this.#frame);
    this.#card = null;
    delete card?.dataset.dragged;
    return card;
  }

  #handleKey(event) {
    if (event.key === "Escape" && !isComposing(event)) this.#cancel();
  }

  #cancel() {
    const card = this.#end();
    if (card) this.#putBack(card);
  }

  #putBack(card) {
    this.querySelector(".collection-grid").insertBefore(card, this.#home);
  }

  async #drop() {
    const card = this.#end();
    if (!card || card.nextElementSibling === this.#home) return;
    const [next, previous] = [card.nextElementSibling, card.previousElementSibling];
    const { after } = this.querySelector(".collection-grid").dataset;
    const values = { after, ...(next ? { before: next.dataset.collection } : { behind: previous.dataset.collection }) };
    const isMoved = await this.#send(card.dataset.place, values);
    if (!isMoved && card.isConnected) this.#putBack(card);
  }

  async #send(url, values) {
    let isMoved = false;
    const note = ({ detail }) => {
      isMoved = detail.successful;
    };
    this.addEventListener("htmx:afterRequest", note);
    await window.htmx.ajax("POST", url, {
      source: this,
      target: "#collection-grid",
      swap: "outerHTML",
      values,
      headers: { "X-CSRFToken": this.querySelector("[name=csrfmiddlewaretoken]").value },
    });
    this.removeEventListener("htmx:afterRequest", note);
    return isMoved;
  }

  // A button that is disabled at an end, or left the page with its card, loses the focus.
  #handleMoved({ requestConfig }) {
    const id = requestConfig?.elt.querySelector?.("button[id]")?.id;
    if (!id || requestConfig.elt === this) return;
    const card = document.getElementById(id)?.closest(".collection-card");
    const button =
      card?.querySelector(`#${CSS.escape(id)}:enabled`) ?? card?.querySelector(".collection-move button:enabled");
    (button ?? document.getElementById("main")).focus({ preventScroll: true });
    button?.scrollIntoView({ block: "nearest" });
    if (!card) return this.announce("Moved to another page");
    const cards = [...card.parentElement.children];
    const name = card.querySelector("[data-find]").textContent;
    this.announce(`${name}: ${cards.indexOf(card) + 1} of ${cards.length}`);
  }
}

customElements.define("collection-order", CollectionOrder);

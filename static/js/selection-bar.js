// The bar that acts on the selected videos of the gallery. The selection outlives the swaps of its cards.
import { BaseElement } from "./base-element.js";
import { stylesheetsLoaded } from "./stylesheets.js";
import { formatCost } from "./video-form.js";

const MAX_COMPARED = 4;
const RETRIABLE = ["failed", "canceled"];
const TRASHABLE = [...RETRIABLE, "completed"];

class SelectionBar extends BaseElement {
  #selected = new Set(); // uuids
  #last = null; // the checkbox that was changed last: one end of a range
  #isShift = false;

  connect(signal) {
    const form = this.closest("form");
    document.addEventListener("click", (event) => this.#handleClick(event), { signal, capture: true });
    document.addEventListener("change", ({ target }) => target.matches(".select") && this.#handleChange(target), {
      signal,
    });
    document.addEventListener("htmx:afterSettle", () => this.#restore(), { signal });
    document.addEventListener("htmx:oobAfterSwap", () => this.#restore(), { signal });
    form.addEventListener("reset", () => this.#clear(), { signal });
    form.addEventListener("submit", (event) => this.#handleSubmit(event, form), { signal });
    this.querySelector("[data-select-all]").addEventListener("click", () => this.#selectAll(), { signal });
    // This script loads after the first selection.
    for (const box of this.#boxes.filter(({ checked }) => checked)) {
      this.#selected.add(box.value);
      this.#last = box;
    }
    this.#update();
  }

  get #boxes() {
    return [...document.querySelectorAll(".select")];
  }

  get #max() {
    return Number(this.dataset.max);
  }

  get #text() {
    const { size } = this.#selected;
    return size > this.#max ? `${size} selected: ${this.#max} at most` : `${size} selected`;
  }

  // While something is selected, a click on a card with Ctrl, Cmd or Shift selects it too.
  #handleClick(event) {
    this.#isShift = event.shiftKey;
    const box = event.target.closest(".card-link")?.closest(".card").querySelector(".select");
    if (!box || !this.#selected.size || !(event.ctrlKey || event.metaKey || event.shiftKey)) return;
    event.preventDefault();
    event.stopPropagation();
    box.checked = event.shiftKey || !box.checked;
    this.#handleChange(box);
  }

  #handleChange(box) {
    for (const other of this.#rangeTo(box)) {
      other.checked = box.checked;
      if (box.checked) this.#selected.add(other.value);
      else this.#selected.delete(other.value);
    }
    this.#last = box;
    this.#isShift = false;
    this.#update();
    this.announce(this.#text);
  }

  #rangeTo(box) {
    const boxes = this.#boxes;
    const from = boxes.indexOf(this.#last);
    if (!this.#isShift || from < 0) return [box];
    const to = boxes.indexOf(box);
    return boxes.slice(Math.min(from, to), Math.max(from, to) + 1);
  }

  #restore() {
    const boxes = this.#boxes;
    for (const box of boxes) if (this.#selected.has(box.value)) box.checked = true;
    const present = new Set(boxes.map(({ value }) => value));
    for (const value of this.#selected) if (!present.has(value)) this.#selected.delete(value);
    this.#update();
  }

  #selectAll() {
    for (const box of this.#boxes) {
      box.checked = true;
      this.#selected.add(box.value);
    }
    this.#update();
    this.announce(this.#text);
  }

  #clear() {
    for (const box of this.#boxes) box.checked = false;
    this.#selected.clear();
    this.#update();
    this.announce("Nothing is selected");
  }

  #update() {
    this.querySelector(".selection-count").textContent = this.#text;
    const { size } = this.#selected;
    for (const button of this.querySelectorAll("button:not([type=reset])")) button.disabled = size > this.#max;
    const all = this.querySelector("[data-select-all]");
    all.hidden = size >= Math.min(this.#boxes.length, this.#max);
    const isReady = this.#boxes.some((box) => box.checked && box.closest(".card").dataset.state === "completed");
    for (const button of this.querySelectorAll(".for-ready")) button.disabled ||= !isReady;
    this.#showRetry();
    this.#showTrash();
    const compare = this.querySelector("[data-compare]");
    compare.disabled = size < 2 || size > MAX_COMPARED;
    compare.title = compare.disabled ? "Two to four videos can be compared" : "";
  }

  // The selected videos in these states that this member may change.
  #changeable(states) {
    return this.#boxes.filter(
      (box) => box.checked && "mayChange" in box.dataset && states.includes(box.closest(".card").dataset.state),
    );
  }

  // Shows how many videos a retry would request, and their cost by the form's prices.
  #showRetry() {
    const button = this.querySelector(".retry-selected");
    const boxes = this.#changeable(RETRIABLE).filter(({ dataset }) => !("doubtful" in dataset));
    const { unit, left, ...prices } = document.getElementById("cost").dataset;
    const cost = boxes.reduce(
      (sum, { dataset }) => sum + Number(prices["extends" in dataset ? "extend" : "generate"]),
      0,
    );
    const isOver = left !== "" && cost > left;
    const rest = isOver ? `, ${formatCost(Number(left), unit)} left` : "";
    button.hidden = !boxes.length;
    button.title = isOver
      ? "More than is left of the budget: the oldest are retried first"
      : "Request the failed videos again";
    button.toggleAttribute("data-over", isOver);
    button.querySelector("span").textContent = `Retry ${boxes.length} · ${formatCost(cost, unit)}${rest}`;
  }

  // Shows how many videos would be moved, unless all of them would.
  #showTrash() {
    const button = this.querySelector("[data-trash]");
    const { length } = this.#changeable(TRASHABLE);
    const { size } = this.#selected;
    button.disabled ||= !length;
    button.title = length < size ? "Only your own finished videos can be moved" : "Move to trash";
    button.querySelector("span").textContent = length && length < size ? `Move ${length} to trash` : "Move to trash";
  }

  // Downloads and buttons that lead to another page are left to the browser.
  async #handleSubmit(event, form) {
    const button = event.submitter;
    if (button && "share" in button.dataset) {
      event.preventDefault();
      const { openShareDialog } = await import("./share-dialog.js");
      return openShareDialog("POST", button.formAction, form);
    }
    if (!button || "download" in button.dataset || "page" in button.dataset) return;
    event.preventDefault();
    const values = button.name ? { [button.name]: button.value } : {};
    this.querySelector("[popover]:popover-open")?.hidePopover();
    await window.htmx.ajax("POST", button.formAction, { source: form, values, swap: "none" });
    this.#clear();
  }
}

// The bar is hidden until it is defined.
const { styles: href } = document.querySelector("selection-bar").dataset;
document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href }));
await stylesheetsLoaded(document.head);
customElements.define("selection-bar", SelectionBar);

// What is ticked on the wall, and the bar that acts on it. Ticks outlive the swaps of their cards.
const AT_MOST = 200;

class SelectionBar extends HTMLElement {
  #listening;
  #ticked = new Set();
  #last = null;
  #shift = false;

  connectedCallback() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const form = this.closest("form");
    document.addEventListener("click", (event) => this.#clicked(event), { signal, capture: true });
    document.addEventListener("change", (event) => event.target.matches(".select") && this.#changed(event.target), {
      signal,
    });
    document.addEventListener("htmx:afterSettle", () => this.#restore(), { signal });
    document.addEventListener("htmx:oobAfterSwap", () => this.#restore(), { signal });
    // It comes with the first tick, and without having seen it.
    for (const box of this.#boxes.filter(({ checked }) => checked)) {
      this.#ticked.add(box.value);
      this.#last = box;
    }
    form.addEventListener("reset", () => this.#clear(), { signal });
    form.addEventListener("submit", (event) => this.#sent(event, form), { signal });
    this.#show();
  }

  disconnectedCallback() {
    this.#listening.abort();
  }

  get #boxes() {
    return [...document.querySelectorAll(".select")];
  }

  #clicked(event) {
    this.#shift = event.shiftKey;
    const card = event.target.closest(".card-link")?.closest(".card");
    const box = card?.querySelector(".select");
    // On a wall where something is ticked, Ctrl (or Cmd) and Shift tick; elsewhere they open tabs and windows as ever.
    if (!box || !this.#ticked.size || !(event.ctrlKey || event.metaKey || event.shiftKey)) return;
    event.preventDefault();
    event.stopPropagation();
    box.checked = event.shiftKey || !box.checked;
    this.#changed(box);
  }

  #changed(box) {
    const boxes = this.#boxes;
    const from = boxes.indexOf(this.#last);
    const range =
      this.#shift && from >= 0
        ? boxes.slice(Math.min(from, boxes.indexOf(box)), Math.max(from, boxes.indexOf(box)) + 1)
        : [box];
    for (const one of range) {
      one.checked = box.checked;
      this.#ticked[box.checked ? "add" : "delete"](one.value);
    }
    this.#last = box;
    this.#shift = false;
    this.#show();
    this.#say("announce", this.#words);
  }

  get #words() {
    return this.#ticked.size > AT_MOST
      ? `${this.#ticked.size} selected: ${AT_MOST} at most`
      : `${this.#ticked.size} selected`;
  }

  #restore() {
    for (const box of this.#boxes) if (this.#ticked.has(box.value)) box.checked = true;
    // What has left the wall is not acted on any more.
    const here = new Set(this.#boxes.map(({ value }) => value));
    for (const value of this.#ticked) if (!here.has(value)) this.#ticked.delete(value);
    this.#show();
  }

  #clear() {
    for (const box of this.#boxes) box.checked = false;
    this.#ticked.clear();
    this.#show();
    this.#say("announce", "Nothing is selected");
  }

  #show() {
    this.querySelector(".selection-count").textContent = this.#words;
    const count = this.#ticked.size;
    for (const button of this.querySelectorAll("button:not([type=reset])")) button.disabled = count > AT_MOST;
    const few = this.querySelector("[data-compare]");
    few.disabled = count < 2 || count > 4;
    few.title = few.disabled ? "Two to four videos can be compared" : "";
  }

  // A download and another page are the browser's; the rest is done in place.
  async #sent(event, form) {
    const button = event.submitter;
    if (!button || "download" in button.dataset || "page" in button.dataset) return;
    event.preventDefault();
    const values = button.name ? { [button.name]: button.value } : {};
    this.querySelector("[popover]:popover-open")?.hidePopover();
    await window.htmx.ajax("POST", button.formAction, { source: form, values, swap: "none" });
    this.#clear();
  }

  #say(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
  }
}

customElements.define("selection-bar", SelectionBar);

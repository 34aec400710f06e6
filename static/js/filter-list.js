// Adds a search field to a long list, and shows the items that contain every word typed there.
import { BaseElement, isComposing } from "./base-element.js";
import { fold } from "./folding.js";

const TEXT_FIELD = "input:not([type=checkbox], [type=radio])";
const LONG = 12; // items

class FilterList extends BaseElement {
  #field;
  #empty;

  connect(signal) {
    if (this.#items.length <= LONG) return;
    if (!this.#field) this.#build();
    this.#field.addEventListener("input", () => this.#handleInput(), { signal });
    this.addEventListener("keydown", (event) => this.#handleKey(event), { signal });
    const popover = this.closest("[popover]");
    popover?.addEventListener("toggle", ({ newState }) => this.#reset(newState === "open"), { signal });
    this.#reset(popover?.matches(":popover-open"));
  }

  get #items() {
    return [...(this.querySelector("ul, fieldset") ?? this).children].filter(
      (item) => item !== this.#field && item.matches("a, button, li, label"),
    );
  }

  get #shown() {
    return this.#items.filter((item) => !item.hidden);
  }

  #build() {
    const label = this.getAttribute("label");
    this.#field = Object.assign(document.createElement("input"), {
      type: "search",
      className: "input filter-field",
      placeholder: label,
      ariaLabel: label,
      autocomplete: "off",
      spellcheck: false,
      dir: "auto",
    });
    this.#empty = Object.assign(document.createElement("p"), {
      className: "hint",
      textContent: "Nothing by that name.",
      hidden: true,
    });
    this.prepend(this.#field);
    this.append(this.#empty);
  }

  #reset(isOpen) {
    this.#field.value = "";
    this.#filter();
    if (!isOpen) return;
    this.style.minInlineSize = `${this.offsetWidth}px`;
    // On a touch screen the keyboard would cover the list.
    if (matchMedia("(pointer: fine)").matches) this.#field.focus();
  }

  #handleInput() {
    this.#filter();
    this.announce(`${this.#shown.length} of ${this.#items.length}`);
  }

  #filter() {
    const words = fold(this.#field.value).split(/\s+/);
    for (const item of this.#items) {
      const text = fold((item.querySelector("[data-find]") ?? item).textContent);
      item.hidden = !words.every((word) => text.includes(word));
    }
    this.#empty.hidden = this.#shown.length > 0;
  }

  #handleKey(event) {
    // Other fields, such as that of a new name, have their own use for these keys.
    if (isComposing(event) || (event.target !== this.#field && event.target.matches(TEXT_FIELD))) return;
    const controls = this.#shown
      .map((item) => (item.matches("a, button") ? item : item.querySelector("a, button, input")))
      .filter(Boolean);
    if (event.key === "Enter" && event.target === this.#field) {
      // Enter must not submit the form around the list: it takes the first item that is left.
      event.preventDefault();
      if (this.#field.value.trim()) controls[0]?.click();
    } else if (["ArrowDown", "ArrowUp"].includes(event.key)) {
      event.preventDefault();
      const next = controls.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
      (controls[next] ?? this.#field).focus();
    }
  }
}

customElements.define("filter-list", FilterList);

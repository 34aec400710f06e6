// Narrows a list that grew long by what is typed. A short one needs no field, and without this code there is none.
const LONG = 12;
const plain = (words) => words.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

class FilterList extends HTMLElement {
  #field;
  #nothing;
  #listening;

  connectedCallback() {
    if (this.#items.length <= LONG) return;
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    this.#build();
    this.#field.addEventListener("input", () => this.#narrow(), { signal });
    this.addEventListener("keydown", (event) => this.#pressed(event), { signal });
    const popover = this.closest("[popover]");
    popover?.addEventListener("toggle", ({ newState }) => this.#begin(newState === "open"), { signal });
    this.#begin(popover?.matches(":popover-open"));
  }

  disconnectedCallback() {
    this.#listening?.abort();
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
    if (this.#field) return;
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
    this.#nothing = Object.assign(document.createElement("p"), {
      className: "hint",
      textContent: "Nothing by that name.",
      hidden: true,
    });
    this.prepend(this.#field);
    this.append(this.#nothing);
  }

  // The whole list again; on a touch screen the keyboard would cover it, so there it comes when the field is touched.
  #begin(open) {
    this.#field.value = "";
    this.#narrow({ quietly: true });
    if (!open) return;
    this.style.minInlineSize = `${this.offsetWidth}px`;
    if (matchMedia("(pointer: fine)").matches) this.#field.focus();
  }

  #narrow({ quietly = false } = {}) {
    const words = plain(this.#field.value).split(/\s+/);
    for (const item of this.#items) {
      const text = plain((item.querySelector("[data-find]") ?? item).textContent);
      item.hidden = !words.every((word) => text.includes(word));
    }
    const { length } = this.#shown;
    this.#nothing.hidden = length > 0;
    if (!quietly)
      this.dispatchEvent(new CustomEvent("announce", { bubbles: true, detail: `${length} of ${this.#items.length}` }));
  }

  #pressed(event) {
    const items = this.#shown
      .map((item) => (item.matches("a, button") ? item : item.querySelector("a, button, input")))
      .filter(Boolean);
    if (event.key === "Enter" && event.target === this.#field) {
      // It is no field of the form around it: Enter takes the first that is left.
      event.preventDefault();
      if (this.#field.value.trim()) items[0]?.click();
    } else if (["ArrowDown", "ArrowUp"].includes(event.key)) {
      event.preventDefault();
      const place = items.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
      (items[place] ?? this.#field).focus();
    }
  }
}

customElements.define("filter-list", FilterList);

// The search in the header. In the studio the gallery follows what is typed; elsewhere Enter leads to the studio.
import { BaseElement } from "./base-element.js";

const DELAY_MS = 250;
const hasGallery = () => Boolean(document.getElementById("gallery"));

class SearchBox extends BaseElement {
  #timer;

  connect(signal) {
    this.addEventListener("input", () => this.#searchSoon(), { signal });
    this.addEventListener("submit", (event) => this.#handleSubmit(event), { signal });
    addEventListener("popstate", () => this.#handlePopState(), { signal });
    // This script loads with the first key, which may have typed a letter already.
    if (this.#field.value.trim() !== this.#shownQuery) this.#searchSoon();
  }

  disconnect() {
    clearTimeout(this.#timer);
  }

  get #shownQuery() {
    return new URLSearchParams(location.search).get("q") ?? "";
  }

  get #field() {
    return this.querySelector("input[type=search]");
  }

  get #address() {
    const query = new URLSearchParams(new FormData(this.querySelector("form")));
    for (const [name, value] of [...query]) if (!value.trim()) query.delete(name);
    return query.size ? `/?${query}` : "/";
  }

  #searchSoon() {
    clearTimeout(this.#timer);
    if (hasGallery()) this.#timer = setTimeout(() => this.#search(), DELAY_MS);
  }

  #handleSubmit(event) {
    if (!hasGallery()) return;
    event.preventDefault();
    clearTimeout(this.#timer);
    this.#search();
  }

  async #search() {
    // The end of the composition starts another search.
    if (this.#field.matches("[data-composing]")) return;
    const address = this.#address;
    if (address === location.pathname + location.search) return;
    // The first letter adds an entry to the history; the others replace it.
    history[history.state?.searching ? "replaceState" : "pushState"]({ searching: true }, "", address);
    await this.#load(address);
    const count = document.querySelectorAll("#days .card").length;
    const more = document.getElementById("older") ? " or more" : "";
    this.announce(count ? `${count}${more} videos` : "No video matches");
  }

  async #load(address) {
    await window.htmx.ajax("GET", address, { target: "#gallery", swap: "outerHTML", source: this });
  }

  // Back from a search.
  #handlePopState() {
    if (!hasGallery() || location.pathname !== "/") return;
    if (this.#shownQuery === this.#field.value.trim()) return;
    this.#field.value = this.#shownQuery;
    this.#load(location.pathname + location.search);
  }
}

customElements.define("search-box", SearchBox);

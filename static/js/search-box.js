// The search in the header. On the studio the wall follows what is typed; elsewhere, and without script, Enter leads there.
const PATIENCE = 250;

class SearchBox extends HTMLElement {
  #listening;
  #timer;

  connectedCallback() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    this.addEventListener("input", () => this.#soon(), { signal });
    this.addEventListener("submit", (event) => this.#sent(event), { signal });
    addEventListener("popstate", () => this.#moved(), { signal });
    // This code comes with the first key, whose letter is there before it.
    if (this.#words.value.trim() !== this.#asked) this.#soon();
  }

  disconnectedCallback() {
    this.#listening.abort();
    clearTimeout(this.#timer);
  }

  get #asked() {
    return new URLSearchParams(location.search).get("q") ?? "";
  }

  get #words() {
    return this.querySelector("input[type=search]");
  }

  get #address() {
    const asked = new URLSearchParams(new FormData(this.querySelector("form")));
    for (const [name, value] of [...asked]) if (!value.trim()) asked.delete(name);
    return asked.size ? `/?${asked}` : "/";
  }

  #soon() {
    clearTimeout(this.#timer);
    if (document.getElementById("gallery")) this.#timer = setTimeout(() => this.#show(), PATIENCE);
  }

  #sent(event) {
    if (!document.getElementById("gallery")) return;
    event.preventDefault();
    clearTimeout(this.#timer);
    this.#show();
  }

  async #show() {
    const address = this.#address;
    if (address === location.pathname + location.search) return;
    // The first letter is a step that Back undoes; the others are the same step.
    history[history.state?.searching ? "replaceState" : "pushState"]({ searching: true }, "", address);
    await this.#fetch(address);
    const count = document.querySelectorAll("#days .card").length;
    const words = count ? `${count}${document.getElementById("older") ? " or more" : ""} videos` : "No video matches";
    this.dispatchEvent(new CustomEvent("announce", { bubbles: true, detail: words }));
  }

  async #fetch(address) {
    await window.htmx.ajax("GET", address, { target: "#gallery", swap: "outerHTML", source: this });
  }

  // Back from what was searched: the wall follows the address.
  #moved() {
    if (!document.getElementById("gallery") || location.pathname !== "/") return;
    if (this.#asked === this.#words.value.trim()) return;
    this.#words.value = this.#asked;
    this.#fetch(location.pathname + location.search);
  }
}

customElements.define("search-box", SearchBox);

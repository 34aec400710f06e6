// The small screen below the form: it shows the words as they are typed, and the pictures, the first turning into the last.
const WORDS_AT_MOST = 140;

class RequestPreview extends HTMLElement {
  #listening;

  connectedCallback() {
    const form = this.closest("form");
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    for (const kind of ["input", "change", "frame"]) form.addEventListener(kind, () => this.#show(form), { signal });
    // The tiles take what is in them when they come alive themselves, in no certain order.
    queueMicrotask(() => this.#show(form));
  }

  disconnectedCallback() {
    this.#listening.abort();
  }

  #show(form) {
    // Of several prompts, the first.
    const words = form.elements.prompt.value.trim().split(form.elements.several.checked ? "\n" : "\0")[0];
    this.querySelector(".preview-prompt").textContent =
      words.length > WORDS_AT_MOST ? `${words.slice(0, WORDS_AT_MOST)}…` : words;
    const framed = form.elements.mode.value === "frames";
    const pictures = framed ? [...form.querySelectorAll("frame-tile img")].map(({ src }) => src) : [];
    const screen = this.querySelector(".preview-screen");
    const shown = [...screen.querySelectorAll("img")].map(({ src }) => src);
    if (pictures.join() === shown.join()) return;
    for (const old of screen.querySelectorAll("img")) old.remove();
    screen.prepend(...pictures.map((src) => Object.assign(document.createElement("img"), { src, alt: "" })));
    screen.toggleAttribute("data-dissolve", pictures.length > 1);
  }
}

customElements.define("request-preview", RequestPreview);

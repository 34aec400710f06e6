// A preview of the request below the form: the aspect ratio, the frames dissolving into each other, and the prompt.
import { BaseElement } from "./base-element.js";

const MAX_PROMPT_LENGTH = 140;

class RequestPreview extends BaseElement {
  connect(signal) {
    const form = this.closest("form");
    for (const type of ["input", "change", "frame"]) form.addEventListener(type, () => this.#show(form), { signal });
    // The frame tiles are upgraded in the same task, in no certain order.
    queueMicrotask(() => this.#show(form));
  }

  #show(form) {
    const text = form.elements.prompt.value.trim();
    const prompt = form.elements.several.checked ? text.split("\n")[0] : text;
    const isLong = prompt.length > MAX_PROMPT_LENGTH;
    this.querySelector(".preview-prompt").textContent = isLong ? `${prompt.slice(0, MAX_PROMPT_LENGTH)}…` : prompt;
    const isFramed = form.elements.mode.value === "frames";
    this.#showFrames(isFramed ? [...form.querySelectorAll("frame-tile img")].map(({ src }) => src) : []);
  }

  #showFrames(frames) {
    const screen = this.querySelector(".preview-screen");
    const shown = [...screen.querySelectorAll("img")];
    if (frames.join() === shown.map(({ src }) => src).join()) return;
    for (const image of shown) image.remove();
    screen.prepend(...frames.map((src) => Object.assign(document.createElement("img"), { src, alt: "" })));
    screen.toggleAttribute("data-dissolve", frames.length > 1);
  }
}

customElements.define("request-preview", RequestPreview);

// Chooses a frame from the team's videos: shows the page that its link leads to in a dialog.
import { BaseElement } from "./base-element.js";
import { stylesheetsLoaded } from "./stylesheets.js";

class VideoPicker extends BaseElement {
  #dialog = null;

  connect(signal) {
    this.addEventListener("click", (event) => this.#handleClick(event), { signal });
    document.addEventListener("form:filled", () => this.#dialog?.close(), { signal });
  }

  disconnect() {
    this.#dialog?.remove();
  }

  async #handleClick(event) {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.#dialog?.remove();
    this.#dialog = this.#build(link);
    try {
      const response = await fetch(link.href, { headers: { "HX-Request": "true" } });
      if (!response.ok || response.headers.has("HX-Redirect")) throw new Error(response.status);
      this.#dialog.innerHTML = await response.text();
    } catch {
      return location.assign(link.href);
    }
    await this.#show(this.#dialog);
  }

  #build(link) {
    const dialog = Object.assign(document.createElement("dialog"), { className: "dialog video-picker-dialog" });
    dialog.setAttribute("aria-labelledby", "video-picker-head");
    // A click on the backdrop is a click on the dialog itself.
    dialog.addEventListener(
      "click",
      ({ target }) => (target === dialog || target.closest("[data-close]")) && dialog.close(),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      link.focus();
    });
    return dialog;
  }

  async #show(dialog) {
    document.body.append(dialog);
    await stylesheetsLoaded(dialog);
    window.htmx.process(dialog);
    dialog.showModal();
    dialog.querySelector("[type=search]")?.focus();
  }
}

customElements.define("video-picker", VideoPicker);

// Chooses a video: shows the page that its link or button leads to in a dialog.
import { BaseElement, isComposing } from "./base-element.js";
import { nearestInNextRow } from "./grid-rows.js";
import { stylesheetsLoaded } from "./stylesheets.js";

const DELAY_MS = 250;
const KEYS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];

class VideoPicker extends BaseElement {
  #dialog = null;
  #timer;

  connect(signal) {
    this.addEventListener("click", (event) => this.#handleClick(event), { signal });
    document.addEventListener("form:filled", () => this.#dialog?.close(), { signal });
  }

  disconnect() {
    this.#close();
  }

  #close() {
    clearTimeout(this.#timer);
    this.#dialog?.remove();
    this.#dialog = null;
  }

  async #handleClick(event) {
    const control = event.target.closest("a, button");
    if (!control || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    if (control.ariaBusy === "true") return;
    this.#close();
    const address = control.href ?? control.getAttribute("formaction");
    const dialog = this.#build(control);
    control.ariaBusy = "true";
    try {
      const response = await fetch(address, { headers: { "HX-Request": "true" } });
      if (!response.ok || response.headers.has("HX-Redirect")) throw new Error(response.status);
      dialog.innerHTML = await response.text();
    } catch {
      return location.assign(address);
    } finally {
      control.ariaBusy = null;
    }
    if (control.isConnected) await this.#show(dialog);
  }

  #build(control) {
    const dialog = Object.assign(document.createElement("dialog"), { className: "dialog video-picker-dialog" });
    dialog.setAttribute("aria-labelledby", "video-picker-head");
    // A click on the backdrop is a click on the dialog itself.
    dialog.addEventListener(
      "click",
      ({ target }) => (target === dialog || target.closest("[data-close]")) && dialog.close(),
    );
    dialog.addEventListener("input", (event) => this.#searchSoon(event));
    dialog.addEventListener("keydown", (event) => this.#handleKey(event));
    dialog.addEventListener("htmx:afterSettle", () => this.#announceFound());
    dialog.addEventListener("close", () => {
      this.#close();
      // Some browsers do not give a clicked button the focus, and so do not restore it.
      if (document.activeElement === document.body) control.focus();
    });
    return dialog;
  }

  async #show(dialog) {
    this.#dialog = dialog;
    document.body.append(dialog);
    await stylesheetsLoaded(dialog);
    if (dialog !== this.#dialog) return;
    window.htmx.process(dialog);
    dialog.showModal();
    dialog.querySelector("[type=search]")?.focus();
  }

  #searchSoon({ target }) {
    clearTimeout(this.#timer);
    if (!target.matches("[type=search]")) return;
    this.#timer = setTimeout(() => window.htmx.trigger(target.form, "search-now"), DELAY_MS);
  }

  #announceFound() {
    const count = this.#dialog?.querySelectorAll(".video-picker-item").length;
    const more = this.#dialog?.querySelector(".video-picker-older") ? " or more" : "";
    const status = this.#dialog?.querySelector("[data-found]");
    if (status) status.textContent = count ? `${count}${more} video${count > 1 ? "s" : ""}` : "No video matches";
  }

  // The arrows lead from the search field to the videos and between them.
  #handleKey(event) {
    const { key, target } = event;
    if (isComposing(event) || event.ctrlKey || event.altKey || event.metaKey || !KEYS.includes(key)) return;
    const field = this.#dialog.querySelector("[type=search]");
    const controls = [...this.#dialog.querySelectorAll(".video-picker-list :is(a, button)")];
    const here = controls.indexOf(target);
    if (here < 0 && !(target === field && key === "ArrowDown")) return;
    const next = here < 0 ? controls[0] : this.#neighbour(controls, here, key);
    if (!next && key !== "ArrowUp") return;
    event.preventDefault();
    (next ?? field).focus();
  }

  #neighbour(controls, here, key) {
    if (key === "Home") return controls[0];
    if (key === "End") return controls.at(-1);
    const isRightToLeft = getComputedStyle(controls[here]).direction === "rtl";
    if (key === "ArrowLeft" || key === "ArrowRight")
      return controls[here + ((key === "ArrowRight") === isRightToLeft ? -1 : 1)];
    return nearestInNextRow(controls[here], controls, key === "ArrowDown");
  }
}

customElements.define("video-picker", VideoPicker);

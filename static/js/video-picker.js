// Choosing a frame from the team's videos: the link's page, in a dialog. What is chosen is put into the form by its panel.
class VideoPicker extends HTMLElement {
  #listening;
  #dialog = null;

  connectedCallback() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    this.addEventListener("click", (event) => this.#clicked(event), { signal });
    document.addEventListener("form:filled", () => this.#dialog?.close(), { signal });
  }

  disconnectedCallback() {
    this.#listening.abort();
    this.#dialog?.remove();
  }

  async #clicked(event) {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.#dialog?.remove();
    const dialog = Object.assign(document.createElement("dialog"), { className: "video-picker-dialog" });
    this.#dialog = dialog;
    dialog.setAttribute("aria-labelledby", "video-picker-head");
    // A click beside it, on the veil, is a click on the dialog itself.
    dialog.addEventListener(
      "click",
      ({ target }) => (target === dialog || target.closest("[data-close]")) && dialog.close(),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      link.focus();
    });
    try {
      const answer = await fetch(link.href, { headers: { "HX-Request": "true" } });
      if (!answer.ok || answer.headers.has("HX-Redirect")) throw new Error(answer.status);
      dialog.innerHTML = await answer.text();
    } catch {
      return location.assign(link.href);
    }
    document.body.append(dialog);
    // Shown once its own style is here, which the markup asked for.
    const style = dialog.querySelector("link");
    if (style && !style.sheet)
      await new Promise((done) => {
        style.addEventListener("load", done, { once: true });
        style.addEventListener("error", done, { once: true });
      });
    window.htmx.process(dialog);
    dialog.showModal();
    dialog.querySelector("[type=search]")?.focus();
  }
}

customElements.define("video-picker", VideoPicker);

// The request as code, beside the form, following what is typed for as long as it is open.
const ID = "request-code";

class CodePanel extends HTMLElement {
  #listening;
  #panel = null;
  #timer;
  #asking = null;

  connectedCallback() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const form = this.closest("form");
    this.addEventListener("click", (event) => this.#clicked(event), { signal });
    for (const kind of ["input", "change", "frame"]) form.addEventListener(kind, () => this.#soon(), { signal });
    document.addEventListener(
      "keydown",
      (event) => event.key === "Escape" && this.#panel?.matches(":popover-open") && this.#close(event),
      { signal },
    );
  }

  disconnectedCallback() {
    this.#listening.abort();
    clearTimeout(this.#timer);
    this.#panel?.remove();
    this.#panel = null;
  }

  get #button() {
    return this.querySelector("button");
  }

  async #clicked(event) {
    event.preventDefault();
    if (this.#panel?.matches(":popover-open")) return this.#close();
    if (!this.#panel) {
      this.#panel = Object.assign(document.createElement("section"), {
        id: ID,
        className: "code beside",
        popover: "manual",
        role: "dialog",
      });
      this.#panel.setAttribute("aria-labelledby", `${ID}-head`);
      this.#panel.addEventListener("click", ({ target }) => target.closest("[data-close]") && this.#close());
      document.body.append(this.#panel);
    }
    if (!(await this.#write())) return;
    this.#panel.showPopover();
    this.#panel.querySelector("[data-close]").focus();
  }

  #close(event) {
    event?.preventDefault();
    this.#panel.hidePopover();
    this.#button.focus();
  }

  #soon() {
    if (!this.#panel?.matches(":popover-open")) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#write(), 250);
  }

  async #write() {
    const data = new FormData(this.closest("form"));
    for (const [name, value] of [...data]) if (value instanceof File) data.delete(name);
    const language = this.#panel.querySelector(":checked")?.value;
    if (language) data.set(`${ID}-language`, language);
    this.#asking?.abort();
    this.#asking = new AbortController();
    try {
      const answer = await fetch(this.#button.formAction, {
        method: "POST",
        body: data,
        signal: this.#asking.signal,
        headers: { "HX-Request": "true", "HX-Target": ID },
      });
      if (!answer.ok || answer.headers.has("HX-Redirect")) throw new Error(answer.status);
      this.#fill(await answer.text());
      return true;
    } catch (error) {
      if (error.name === "AbortError") return false;
      this.dispatchEvent(
        new CustomEvent("toast", {
          bubbles: true,
          detail: { text: "The code could not be written. Try again in a moment.", level: "error" },
        }),
      );
      return false;
    }
  }

  // Only what changed is replaced, so that the focus, the place in the code and the copy buttons stay.
  #fill(markup) {
    const fresh = new DOMParser().parseFromString(markup, "text/html");
    if (!this.#panel.childElementCount)
      return this.#panel.append(...fresh.querySelectorAll("head > *"), ...fresh.body.childNodes);
    for (const code of fresh.querySelectorAll("code")) document.getElementById(code.id).textContent = code.textContent;
    for (const note of this.#panel.querySelectorAll(".note")) note.remove();
    this.#panel.querySelector(".code-head").after(...fresh.querySelectorAll(".note"));
  }
}

customElements.define("code-panel", CodePanel);

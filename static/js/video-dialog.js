// Shows a video in a dialog over the gallery, under the address of the video's own page: Back closes the dialog, and a
// reload shows the page.
import { BaseElement } from "./base-element.js";
import { stylesheetsLoaded } from "./stylesheets.js";

const HEADERS = { "HX-Request": "true", "HX-Target": "video-dialog-body" };
const REDUCED = "(prefers-reduced-motion: reduce), (prefers-reduced-data: reduce)";
const hasModifier = ({ button, ctrlKey, metaKey, shiftKey, altKey }) =>
  button || ctrlKey || metaKey || shiftKey || altKey;

class VideoDialog extends BaseElement {
  #request = null;
  #openerId = null;
  #galleryUrl = "";
  #galleryTitle = document.title;
  #isPushed = false; // whether Back leads to the gallery

  connect(signal) {
    document.addEventListener("click", (event) => this.#handleClick(event), { signal });
    // The form is about to take the focus, which nothing outside an open dialog can have.
    document.addEventListener("form:filled", () => this.dialog.open && this.close({ focus: false }), { signal });
    document.addEventListener("htmx:afterRequest", (event) => this.#handleResponse(event), { signal });
    addEventListener("popstate", () => this.#handlePopState(), { signal });
    this.dialog.addEventListener("cancel", (event) => this.#handleCancel(event), { signal });
    // A click on the backdrop is a click on the dialog itself.
    this.dialog.addEventListener("click", ({ target }) => target === this.dialog && this.close(), { signal });
  }

  get dialog() {
    return this.querySelector("dialog");
  }

  get body() {
    return this.querySelector("#video-dialog-body");
  }

  #handleCancel(event) {
    if (event.target !== this.dialog) return;
    event.preventDefault();
    this.close();
  }

  #handleClick(event) {
    if (event.defaultPrevented || hasModifier(event)) return;
    if (event.target.closest("[data-close-video]")) return this.close();
    const link = event.target.closest("a[href]");
    const isInside = this.dialog.open && link?.matches(".video-nav a, .strip-video");
    if (!isInside && !link?.matches(".card-link, .card-prompt a")) return;
    event.preventDefault();
    if (!isInside) return this.#open(link);
    history.replaceState(history.state, "", link.href);
    this.#load(link.href, link.rel);
  }

  #open(link) {
    this.#openerId = link.closest(".card").id;
    this.#galleryUrl = location.href;
    this.#galleryTitle = document.title;
    history.pushState({ video: true }, "", link.href);
    this.#isPushed = true;
    this.#load(link.href);
  }

  // Of several quick requests only the last one is shown. `direction`: the link's rel, "prev" or "next".
  async #load(address, direction = "") {
    this.#request?.abort();
    this.#request = new AbortController();
    const { signal } = this.#request;
    this.dialog.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(address, { headers: { ...HEADERS, "HX-Current-URL": location.href }, signal });
      // Signed out, gone or broken: the page says so.
      if (!response.ok || response.redirected || response.headers.has("HX-Redirect")) return location.assign(address);
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
      await this.#loadStyles(fresh);
      if (!signal.aborted) this.#show(fresh, direction);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.showError("The video could not be fetched. Check the connection and try again.");
      if (!this.dialog.open) this.close();
    } finally {
      if (!signal.aborted) this.dialog.removeAttribute("aria-busy");
    }
  }

  // Moves the stylesheets to the head, each once, and waits for them.
  #loadStyles(fresh) {
    for (const link of fresh.querySelectorAll("link[rel=stylesheet]")) {
      link.remove();
      const isKnown = document.head.querySelector(`link[href="${link.getAttribute("href")}"]`);
      if (!isKnown) document.head.append(document.adoptNode(link));
    }
    return stylesheetsLoaded(document.head);
  }

  #show(fresh, direction) {
    this.body.replaceChildren(...[...fresh.body.childNodes].map((node) => document.importNode(node, true)));
    window.htmx.process(this.body);
    const page = this.body.querySelector(".video-page");
    const title = page?.querySelector("h1")?.textContent.trim() || "Video";
    document.title = `${title.slice(0, 60)} · Lumaweb`;
    this.dialog.setAttribute("aria-label", title.slice(0, 120));
    // The gallery's poll asks for news of this video too.
    const updates = document.querySelector("live-updates");
    if (page && updates) updates.dataset.watch = page.id.replace("video-", "");
    this.#showDialog(direction);
    this.dialog.scrollTop = 0;
    this.emit("video:shown");
    if (direction) this.announce(title.slice(0, 120));
    if (!matchMedia(REDUCED).matches)
      page
        ?.querySelector("video-player video")
        ?.play()
        .catch(() => {});
  }

  #showDialog(direction) {
    if (!this.dialog.open) {
      // Nothing outside an open modal dialog is read out or can be clicked.
      this.dialog.append(...document.querySelectorAll("#announcer, #toasts"));
      this.dialog.showModal();
    } else if (!this.dialog.contains(document.activeElement) || document.activeElement === this.dialog) {
      const link = direction && this.body.querySelector(`.video-nav [rel="${direction}"]`);
      (link || this.dialog.querySelector("[data-close-video]")).focus();
    }
  }

  // Goes back in the history, or puts the gallery's address in place if the page was loaded with the video's.
  close({ focus = true } = {}) {
    this.#hide(focus);
    if (this.#isPushed) {
      this.#isPushed = false;
      history.back();
    } else history.replaceState(null, "", this.#galleryUrl || "/");
  }

  #handlePopState() {
    this.#isPushed = location.pathname.startsWith("/generations/") && Boolean(history.state?.video);
    if (this.#isPushed) this.#load(location.href);
    else this.#hide();
  }

  #hide(focus = true) {
    this.#request?.abort();
    if (!this.dialog.open) return;
    document.body.append(...this.dialog.querySelectorAll("#announcer, #toasts"));
    for (const menu of this.body.querySelectorAll(":popover-open")) menu.hidePopover();
    this.dialog.close();
    this.body.replaceChildren();
    document.title = this.#galleryTitle;
    delete document.querySelector("live-updates")?.dataset.watch;
    if (!focus) return;
    document.querySelector(`#${this.#openerId} :is(.card-link, .card-prompt a)`)?.focus({ preventScroll: true });
  }

  // The video has been moved to the trash.
  #handleResponse({ detail, target }) {
    if (detail.successful && target.action?.endsWith("/trash/") && this.body.contains(target)) this.close();
  }
}

customElements.define("video-dialog", VideoDialog);

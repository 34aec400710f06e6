// A video over the wall it was opened from. The address is the video's own: Back closes it, a reload shows its page.
const HTMX = { "HX-Request": "true", "HX-Target": "video-dialog-body" };

class VideoDialog extends HTMLElement {
  #listening;
  #asking = null;
  #opener = null;
  #wall = "";
  #title = document.title;
  #pushed = false; // whether Back leads to the wall

  connectedCallback() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    document.addEventListener("click", (event) => this.#clicked(event), { signal });
    // The form is about to take the focus, which nothing outside an open dialog can have.
    document.addEventListener("form:filled", () => this.dialog.open && this.close(false), { signal });
    document.addEventListener("htmx:afterRequest", (event) => this.#answered(event), { signal });
    addEventListener("popstate", () => this.#moved(), { signal });
    this.dialog.addEventListener(
      "cancel",
      (event) => {
        if (event.target === this.dialog) {
          event.preventDefault();
          this.close();
        }
      },
      { signal },
    );
    // A press beside it is one on the backdrop, which belongs to the dialog itself.
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.close(), { signal });
  }

  disconnectedCallback() {
    this.#listening.abort();
  }

  get dialog() {
    return this.querySelector("dialog");
  }
  get body() {
    return this.querySelector("#video-dialog-body");
  }

  #clicked(event) {
    if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)
      return;
    if (event.target.closest("[data-close-video]")) return this.close();
    const link = event.target.closest("a[href]");
    const within = this.dialog.open && link?.matches(".video-nav a, .strip-video");
    if (!within && !link?.matches(".card-link, .card-prompt a")) return;
    event.preventDefault();
    if (within) {
      history.replaceState(history.state, "", link.href);
      this.#show(link.href, link.rel);
    } else this.#open(link);
  }

  #open(link) {
    this.#opener = link.closest(".card").id;
    this.#wall = location.href;
    this.#title = document.title;
    history.pushState({ video: true }, "", link.href);
    this.#pushed = true;
    this.#show(link.href);
  }

  // Of several that are asked for quickly one after the other only the last is shown.
  async #show(address, way = "") {
    this.#asking?.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    this.dialog.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(address, { headers: { ...HTMX, "HX-Current-URL": location.href }, signal });
      // Signed out meanwhile, gone, or broken: the page itself says so best.
      if (!answer.ok || answer.redirected || answer.headers.has("HX-Redirect")) return location.assign(address);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      await this.#dress(fresh);
      if (signal.aborted) return;
      this.#put(
        [...fresh.body.childNodes].map((node) => document.importNode(node, true)),
        way,
      );
    } catch (error) {
      if (error.name === "AbortError") return;
      this.#say("toast", {
        text: "The video could not be fetched. Check the connection and try again.",
        level: "error",
      });
      if (!this.dialog.open) this.close();
    } finally {
      if (!signal.aborted) this.dialog.removeAttribute("aria-busy");
    }
  }

  // Its styles come with it, once, and before it is seen.
  #dress(fresh) {
    const links = [...fresh.querySelectorAll("link[rel=stylesheet]")];
    return Promise.all(
      links.map((link) => {
        link.remove();
        if (document.head.querySelector(`link[href="${link.getAttribute("href")}"]`)) return null;
        return new Promise((done) => {
          link.addEventListener("load", done);
          link.addEventListener("error", done);
          document.head.append(document.adoptNode(link));
        });
      }),
    );
  }

  #put(nodes, way) {
    this.body.replaceChildren(...nodes);
    window.htmx.process(this.body);
    const film = this.body.querySelector(".video-page");
    const words = film?.querySelector("h1")?.textContent.trim() || "Video";
    document.title = `${words.slice(0, 60)} · Lumaweb`;
    this.dialog.setAttribute("aria-label", words.slice(0, 120));
    // What happens to it meanwhile is asked for along with the news of the wall.
    const feed = document.querySelector("live-updates");
    if (film && feed) feed.dataset.watch = film.id.replace("video-", "");
    if (!this.dialog.open) {
      // Nothing outside an open dialog is heard or can be pressed: messages come along.
      this.dialog.append(...document.querySelectorAll("#announcer, #toasts"));
      this.dialog.showModal();
    } else if (!this.dialog.contains(document.activeElement) || document.activeElement === this.dialog) {
      (
        this.body.querySelector(way && `.video-nav [rel="${way}"]`) ?? this.dialog.querySelector("[data-close-video]")
      ).focus();
    }
    this.dialog.scrollTop = 0;
    if (way) this.#say("announce", words.slice(0, 120));
    // It was opened to be watched.
    if (!matchMedia("(prefers-reduced-motion: reduce), (prefers-reduced-data: reduce)").matches)
      film
        ?.querySelector("video-player video")
        ?.play()
        .catch(() => {});
  }

  // Back takes the step of the opening back; where there was none, the wall's address is put in its place.
  close(back = true) {
    this.#hide(back);
    if (this.#pushed) {
      this.#pushed = false;
      history.back();
    } else history.replaceState(null, "", this.#wall || "/");
  }

  #moved() {
    if (location.pathname.startsWith("/generations/") && history.state?.video) {
      this.#pushed = true;
      this.#show(location.href);
    } else {
      this.#pushed = false;
      this.#hide();
    }
  }

  #hide(back = true) {
    this.#asking?.abort();
    if (!this.dialog.open) return;
    document.body.append(...this.dialog.querySelectorAll("#announcer, #toasts"));
    this.dialog.close();
    this.body.replaceChildren();
    document.title = this.#title;
    delete document.querySelector("live-updates")?.dataset.watch;
    const card = back && document.querySelector(`#${this.#opener} :is(.card-link, .card-prompt a)`);
    if (card) card.focus({ preventScroll: true });
  }

  // Thrown away from here: there is nothing left to look at.
  #answered({ detail, target }) {
    if (detail.successful && target.action?.endsWith("/trash/") && this.body.contains(target)) this.close();
  }

  #say(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
  }
}

customElements.define("video-dialog", VideoDialog);

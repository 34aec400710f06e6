// Short messages, and the live region that has screen readers say them.
// Elements send the events "toast" and "announce" (see base-element.js); the server may send a toast as markup, with
// the seconds that it stays in data-seconds.
import { BaseElement } from "./base-element.js";

const MESSAGES = {
  403: "That is not allowed for you, or the page is too old. Reload it and try again.",
  404: "That is not here any more. Reload the page.",
  409: "That is not possible any more: it has moved on.",
  413: "That was too large to send.",
};
const SECONDS = 6;
const SECONDS_WITH_UNDO = 10;

function explain(xhr) {
  const status = xhr?.status;
  if (!status) return "That did not reach the server. Check the connection and try again.";
  // These responses carry a plain-text sentence for the member.
  const isExplained =
    [413, 503, 507].includes(status) && xhr.getResponseHeader("Content-Type")?.startsWith("text/plain");
  if (isExplained) return xhr.responseText;
  if (MESSAGES[status]) return MESSAGES[status];
  const requestId = status >= 500 && xhr.getResponseHeader("X-Request-ID");
  const hint = requestId ? ` An admin finds it in the log by ${requestId}.` : "";
  return `That did not work: the server answered ${status}. Try again in a moment.${hint}`;
}

const createButton = (className, textContent) =>
  Object.assign(document.createElement("button"), { type: "button", className, textContent });

class ToastRegion extends BaseElement {
  #unsaid = [];
  #additions = new MutationObserver((changes) => {
    for (const { addedNodes } of changes) for (const node of addedNodes) this.#handleToast(node);
  });

  connect(signal) {
    this.#additions.observe(this, { childList: true });
    this.addEventListener(
      "click",
      ({ target }) => target.closest("[data-close]") && target.closest(".toast").remove(),
      { signal },
    );
    // The action of its button is done.
    this.addEventListener(
      "htmx:afterRequest",
      ({ detail, target }) => detail.successful && target.closest(".toast")?.remove(),
      { signal },
    );
    document.addEventListener("announce", ({ detail }) => this.#say(detail), { signal });
    document.addEventListener("toast", ({ detail }) => this.#show(detail), { signal });
    document.addEventListener("htmx:responseError", ({ detail }) => this.#handleError(detail), { signal });
    document.addEventListener("htmx:sendError", ({ detail }) => this.#handleError(detail), { signal });
  }

  disconnect() {
    this.#additions.disconnect();
  }

  // Screen readers repeat a text only if the region was empty in between. Messages of one moment, such as those of one
  // poll, are announced together and equal ones once: each would otherwise replace the one before it.
  #say(text) {
    document.getElementById("announcer").textContent = "";
    if (this.#unsaid.push(text) > 1) return;
    setTimeout(() => {
      const messages = [...new Set(this.#unsaid.splice(0))].map((message) =>
        Object.assign(document.createElement("p"), { textContent: message }),
      );
      document.getElementById("announcer").replaceChildren(...messages);
    }, 60);
  }

  #handleError({ elt, xhr }) {
    // The gallery has its own note for a lost connection.
    if (elt.localName !== "live-updates") this.#show({ level: "error", text: explain(xhr) });
  }

  #show({ text, level = "info", undo }) {
    const toast = Object.assign(document.createElement("div"), { className: "toast" });
    toast.dataset.level = level;
    if (level !== "error") toast.dataset.seconds = undo ? SECONDS_WITH_UNDO : SECONDS;
    toast.append(Object.assign(document.createElement("span"), { textContent: text }));
    if (undo) {
      const button = createButton("button", "Undo");
      button.addEventListener("click", () => {
        toast.remove();
        undo();
      });
      toast.append(button);
    }
    const close = createButton("button plain", "Close");
    close.dataset.close = "";
    toast.append(close);
    this.append(toast);
  }

  #handleToast(toast) {
    if (!toast.matches?.(".toast")) return;
    const texts = [toast.querySelector("span").textContent, toast.querySelector("form button")?.textContent];
    this.#say(texts.filter(Boolean).join(" "));
    if (toast.dataset.seconds) this.#removeLater(toast);
  }

  // The time stands still while the toast is hovered over or has the focus.
  #removeLater(toast) {
    let left = Number(toast.dataset.seconds);
    const timer = setInterval(() => {
      if (toast.isConnected && (toast.matches(":hover, :focus-within") || --left > 0)) return;
      clearInterval(timer);
      toast.remove();
    }, 1000);
  }
}

customElements.define("toast-region", ToastRegion);

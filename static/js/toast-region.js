// Short messages that come and go, and the one polite voice for screen readers.
// Anything on the page speaks through two events: "announce" (detail: words) and "toast" (detail: {text, level, undo}).
// The server may send a toast as markup too, put in here by htmx: data-seconds says how long it stays.
const MESSAGES = {
  403: "That is not allowed for you, or the page is too old. Reload it and try again.",
  404: "That is not here any more. Reload the page.",
  409: "That is not possible any more: it has moved on.",
  413: "That was too large to send.",
};

function explain(xhr) {
  const { status = 0, responseText } = xhr ?? {};
  if (!status) return "That did not reach the server. Check the connection and try again.";
  // These responses carry a plain-text sentence for the member.
  const isExplained =
    [413, 503, 507].includes(status) && xhr.getResponseHeader("Content-Type")?.startsWith("text/plain");
  if (isExplained) return responseText;
  if (MESSAGES[status]) return MESSAGES[status];
  const requestId = status >= 500 && xhr.getResponseHeader("X-Request-ID");
  const hint = requestId ? ` An admin finds it in the log by ${requestId}.` : "";
  return `That did not work: the server answered ${status}. Try again in a moment.${hint}`;
}

class ToastRegion extends HTMLElement {
  #listening;
  #arriving = new MutationObserver((changes) => {
    for (const { addedNodes } of changes) for (const node of addedNodes) this.#attend(node);
  });

  connectedCallback() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    this.#arriving.observe(this, { childList: true });
    this.addEventListener(
      "click",
      ({ target }) => target.closest("[data-close]") && target.closest(".toast").remove(),
      { signal },
    );
    // What its button asked for is done.
    this.addEventListener(
      "htmx:afterRequest",
      ({ detail, target }) => detail.successful && target.closest(".toast")?.remove(),
      { signal },
    );
    document.addEventListener("announce", (event) => this.announce(event.detail), { signal });
    document.addEventListener("toast", (event) => this.show(event.detail), { signal });
    document.addEventListener("htmx:responseError", (event) => this.failed(event), { signal });
    document.addEventListener("htmx:sendError", (event) => this.failed(event), { signal });
  }

  disconnectedCallback() {
    this.#listening.abort();
    this.#arriving.disconnect();
  }

  announce(words) {
    const voice = document.getElementById("announcer");
    // The same words twice are only heard twice if the region was empty in between.
    voice.textContent = "";
    setTimeout(() => {
      voice.textContent = words;
    }, 60);
  }

  failed({ detail }) {
    // The feed has its own quiet note for a lost connection.
    if (detail.elt.localName === "live-updates") return;
    this.show({ level: "error", text: explain(detail.xhr) });
  }

  show({ text, level = "info", undo }) {
    const toast = document.createElement("div");
    toast.className = "toast";
    toast.dataset.level = level;
    const words = document.createElement("span");
    words.textContent = text;
    const close = document.createElement("button");
    close.type = "button";
    close.className = "button plain";
    close.textContent = "Close";
    close.dataset.close = "";
    if (level !== "error") toast.dataset.seconds = undo ? 10 : 6;
    toast.append(words);
    if (undo) {
      const back = Object.assign(document.createElement("button"), {
        type: "button",
        className: "button",
        textContent: "Undo",
      });
      back.addEventListener("click", () => {
        toast.remove();
        undo();
      });
      toast.append(back);
    }
    toast.append(close);
    this.append(toast);
  }

  // Nobody should have to hurry: while it is pointed at, or has the focus, its time stands still.
  #attend(toast) {
    if (!toast.matches?.(".toast")) return;
    this.announce(
      [toast.querySelector("span").textContent, toast.querySelector("form button")?.textContent]
        .filter(Boolean)
        .join(" "),
    );
    if (!toast.dataset.seconds) return;
    let left = Number(toast.dataset.seconds);
    const tick = setInterval(() => {
      if (toast.isConnected && (toast.matches(":hover, :focus-within") || --left > 0)) return;
      clearInterval(tick);
      toast.remove();
    }, 1000);
  }
}

customElements.define("toast-region", ToastRegion);

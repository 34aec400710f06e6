// The days of the feed. Whatever arrives for a day that is already here joins it; nothing is shown twice.
// Older ones are fetched long before the end is in sight, so that nothing that is looked at moves.
const AHEAD = "3000px",
  PAGE = 48;

class GalleryDays extends HTMLElement {
  #listening;
  #timer;
  #watching = new MutationObserver(() => this.#join());
  #ahead = new IntersectionObserver((entries) => this.#near(entries), { rootMargin: AHEAD });

  connectedCallback() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    for (const day of this.querySelectorAll(".day")) day.dataset.joined = "";
    this.#watching.observe(this, { childList: true });
    this.#look();
    addEventListener(
      "scroll",
      () => {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#note(), 200);
      },
      { signal, passive: true },
    );
    // Left by a link to another page, the address says from which card. Most links of a card open over the wall.
    this.addEventListener(
      "click",
      ({ target }) =>
        target.closest(".card a[href]:not(.card-link, .card-prompt a, [data-use], [data-menu])") &&
        this.#note(target.closest(".card").id),
      { signal, capture: true },
    );
    if (location.hash.startsWith("#generation-")) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  }

  disconnectedCallback() {
    this.#listening.abort();
    this.#watching.disconnect();
    this.#ahead.disconnect();
    clearTimeout(this.#timer);
  }

  #look() {
    const older = this.querySelector("#older");
    if (older) this.#ahead.observe(older);
  }

  #near(entries) {
    for (const { isIntersecting, target } of entries)
      if (isIntersecting && target.isConnected) window.htmx.trigger(target.querySelector("a"), "near");
  }

  // The address follows what is looked at, down to its card: Back and reload begin there. Nothing else keeps it.
  #note(id = "") {
    if (location.pathname !== "/") return;
    const cards = [...this.querySelectorAll(".card")];
    const top = cards.findIndex((card) => card.getBoundingClientRect().bottom > 72);
    const address = new URL(location);
    if (top >= PAGE) {
      address.searchParams.delete("after");
      address.searchParams.set("before", cards[top - 1].dataset.pk);
    } else if ("firstPage" in this.closest("live-updates").dataset) address.searchParams.delete("before");
    address.hash = id || (top >= PAGE ? cards[top].id : "");
    // The browser remembers a place on the page as it is now; a page that begins elsewhere has its own.
    history.scrollRestoration = top >= PAGE || id ? "manual" : "auto";
    if (address.href !== location.href) history.replaceState(history.state, "", address);
  }

  // New cards come before those of their day, older ones after.
  #join() {
    this.#look();
    for (const day of this.querySelectorAll(".day[data-restored]")) this.#restore(day);
    for (const day of this.querySelectorAll(".day:not([data-joined])")) {
      const known = [...this.querySelectorAll(".day[data-joined]")];
      const here = known.find(({ id }) => id === day.id);
      const newer = !known.length || day.compareDocumentPosition(known[0]) & Node.DOCUMENT_POSITION_FOLLOWING;
      const cards = [...day.querySelectorAll(".card")].filter((card) => !this.#isTwin(card));
      if (newer) this.#welcome(cards);
      if (here) {
        const wall = here.querySelector(".grid");
        if (newer) wall.prepend(...cards);
        else wall.append(...cards);
        day.remove();
        // They left the piece that htmx is about to bring to life.
        for (const card of cards) window.htmx.process(card);
      } else if (cards.length) day.dataset.joined = "";
      else day.remove();
    }
  }

  // Back from the trash: each goes where it was. What belongs to an earlier or a later page stays away.
  #restore(day) {
    day.remove();
    delete day.dataset.restored;
    for (const card of [...day.querySelectorAll(".card")]) {
      const order = ({ dataset }) => Number(dataset.pk);
      const known = [...this.querySelectorAll(".card")].map(order);
      const isOlder = document.getElementById("older") && order(card) < Math.min(...known);
      const isNewer = document.querySelector(".newer") && order(card) > Math.max(...known);
      if (isOlder || isNewer) continue;
      const twin = document.getElementById(card.id);
      if (twin) {
        if (!twin.querySelector("video-preview")?.isPlaying) twin.replaceWith(card);
      } else {
        const wall = this.#wallLike(day);
        wall.insertBefore(card, [...wall.children].find((other) => order(other) < order(card)) ?? null);
      }
      window.htmx.process(card);
    }
  }

  #wallLike(day) {
    const here = [...this.querySelectorAll(".day")].find(({ id }) => id === day.id);
    if (here) return here.querySelector(".grid");
    const fresh = day.cloneNode(true);
    fresh.querySelector(".grid").replaceChildren();
    fresh.dataset.joined = "";
    const later = [...this.querySelectorAll(".day, #older")].find(({ id }) => id === "older" || id < day.id);
    this.insertBefore(fresh, later ?? null);
    return fresh.querySelector(".grid");
  }

  // The answer to one's own form and the next poll may both bring a card: the later version stays.
  #isTwin(card) {
    const twin = [...document.querySelectorAll(`[id="${card.id}"]`)].find((other) => other !== card);
    if (!twin) return false;
    if (
      Number(card.dataset.version) > Number(twin.dataset.version) &&
      !twin.querySelector("video-preview")?.isPlaying
    ) {
      this.dispatchEvent(new CustomEvent("card:changing", { bubbles: true, detail: [twin, card] }));
      twin.replaceWith(card);
      window.htmx.process(card);
    } else card.remove();
    return true;
  }

  #welcome(cards) {
    const authors = new Set(cards.map(({ dataset }) => dataset.by).filter((by) => by !== "you"));
    if (!authors.size) return;
    const words = `A new video by ${[...authors].join(", ")}`;
    this.dispatchEvent(new CustomEvent("announce", { bubbles: true, detail: words }));
  }
}

customElements.define("gallery-days", GalleryDays);

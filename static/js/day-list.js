// The days of the feed. Whatever arrives for a day that is already here joins it; nothing is shown twice.
class DayList extends HTMLElement {
  #watching = new MutationObserver(() => this.#join());

  connectedCallback() {
    for (const day of this.querySelectorAll(".day")) day.dataset.joined = "";
    this.#watching.observe(this, { childList: true });
  }

  disconnectedCallback() {
    this.#watching.disconnect();
  }

  // New cards come before those of their day, older ones after.
  #join() {
    for (const day of this.querySelectorAll(".day:not([data-joined])")) {
      const known = [...this.querySelectorAll(".day[data-joined]")];
      const here = known.find(({ id }) => id === day.id);
      const newer = !known.length || day.compareDocumentPosition(known[0]) & Node.DOCUMENT_POSITION_FOLLOWING;
      const cards = [...day.querySelectorAll(".card")].filter((card) => !this.#isTwin(card));
      if (newer) this.#welcome(cards);
      if (here) {
        const wall = here.querySelector(".wall");
        if (newer) wall.prepend(...cards);
        else wall.append(...cards);
        day.remove();
      } else if (cards.length) day.dataset.joined = "";
      else day.remove();
    }
  }

  // The answer to one's own form and the next poll may both bring a card: the later version stays.
  #isTwin(card) {
    const twin = [...document.querySelectorAll(`[id="${card.id}"]`)].find((other) => other !== card);
    if (!twin) return false;
    if (Number(card.dataset.version) > Number(twin.dataset.version) && !twin.querySelector("film-card")?.isPlaying) twin.replaceWith(card);
    else card.remove();
    return true;
  }

  #welcome(cards) {
    const authors = new Set(cards.map(({ dataset }) => dataset.by).filter((by) => by !== "you"));
    if (!authors.size) return;
    const words = `A new video by ${[...authors].join(", ")}`;
    this.dispatchEvent(new CustomEvent("announce", { bubbles: true, detail: words }));
  }
}

customElements.define("day-list", DayList);

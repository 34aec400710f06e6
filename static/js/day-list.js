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
    for (const day of this.querySelectorAll(".day[data-restored]")) this.#restore(day);
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
        if (!twin.querySelector("film-card")?.isPlaying) twin.replaceWith(card);
      } else {
        const wall = this.#wallLike(day);
        wall.insertBefore(card, [...wall.children].find((other) => order(other) < order(card)) ?? null);
      }
      window.htmx.process(card);
    }
  }

  #wallLike(day) {
    const here = [...this.querySelectorAll(".day")].find(({ id }) => id === day.id);
    if (here) return here.querySelector(".wall");
    const fresh = day.cloneNode(true);
    fresh.querySelector(".wall").replaceChildren();
    fresh.dataset.joined = "";
    const later = [...this.querySelectorAll(".day, #older")].find(({ id }) => id === "older" || id < day.id);
    this.insertBefore(fresh, later ?? null);
    return fresh.querySelector(".wall");
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

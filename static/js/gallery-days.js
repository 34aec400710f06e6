// The days of the gallery. Cards that arrive for a day that is already here join it, each once.
// Older videos are fetched long before the end of the page is in sight, so that it does not jump.
import { BaseElement } from "./base-element.js";

const FETCH_AHEAD = "3000px";
const HEADER_PX = 72;
const SCROLL_DELAY_MS = 200;
const GLIDE = { duration: 260, easing: "cubic-bezier(0.2, 0.7, 0.2, 1)" };
const REDUCED_MOTION = "(prefers-reduced-motion: reduce)";
// Links of a card that lead to another page; the others open the dialog or act in place.
const LEAVING_LINK = ".card a[href]:not(.card-link, .card-prompt a, [data-use], [data-menu])";
const DAY_MS = 86_400_000;
const order = ({ dataset }) => Number(dataset.pk);
const isPlaying = (card) => card.querySelector("video-preview")?.isPlaying;

class GalleryDays extends BaseElement {
  #scrollTimer;
  #additions = new MutationObserver(() => this.#merge());
  #end = new IntersectionObserver((entries) => this.#handleEnd(entries), { rootMargin: FETCH_AHEAD });

  connect(signal) {
    for (const day of this.#days) day.dataset.joined = "";
    this.#additions.observe(this, { childList: true });
    this.#observeEnd();
    document.addEventListener("htmx:beforeSwap", ({ detail }) => detail.shouldSwap && this.#glide(), { signal });
    document.addEventListener(
      "htmx:oobAfterSwap",
      ({ target }) => target.id === "live-state" && this.#nameDays(target.dataset.day),
      { signal },
    );
    addEventListener("scroll", () => this.#handleScroll(), { signal, passive: true });
    this.addEventListener(
      "click",
      ({ target }) => target.closest(LEAVING_LINK) && this.#savePlace(target.closest(".card").id),
      { signal, capture: true },
    );
    if (location.hash.startsWith("#generation-")) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  }

  disconnect() {
    this.#additions.disconnect();
    this.#end.disconnect();
    clearTimeout(this.#scrollTimer);
  }

  get #days() {
    return [...this.querySelectorAll(".day")];
  }

  get #cards() {
    return [...this.querySelectorAll(".card")];
  }

  #observeEnd() {
    const older = this.querySelector("#older");
    if (older) this.#end.observe(older);
  }

  #handleEnd(entries) {
    for (const { isIntersecting, target } of entries)
      if (isIntersecting && target.isConnected) window.htmx.trigger(target.querySelector("a"), "near");
  }

  // Cards and headings in sight glide to their new places after a swap.
  #glide() {
    if (matchMedia(REDUCED_MOTION).matches) return;
    const places = [...this.querySelectorAll(".card, .day-head")]
      .map((element) => ({ element, from: element.getBoundingClientRect() }))
      .filter(({ from }) => from.bottom > 0 && from.top < innerHeight);
    requestAnimationFrame(() => {
      const moves = places.map(({ element, from }) => ({ element, from, to: element.getBoundingClientRect() }));
      for (const { element, from, to } of moves)
        if (element.isConnected && (from.x !== to.x || from.y !== to.y))
          element.animate({ translate: [`${from.x - to.x}px ${from.y - to.y}px`, "0 0"] }, GLIDE);
    });
  }

  #handleScroll() {
    clearTimeout(this.#scrollTimer);
    this.#scrollTimer = setTimeout(() => this.#savePlace(), SCROLL_DELAY_MS);
  }

  // The address names the page of the topmost visible card, so that Back and reload return to it.
  #savePlace(cardId = "") {
    if (location.pathname !== "/") return;
    const gallery = this.closest("live-updates").dataset;
    const cards = this.#cards;
    const top = cards.findIndex((card) => card.getBoundingClientRect().bottom > HEADER_PX);
    const isBeyondPage = top >= Number(gallery.pageSize);
    const address = new URL(location);
    if (isBeyondPage) {
      address.searchParams.delete("after");
      address.searchParams.set("before", cards[top - 1].dataset.pk);
    } else if ("firstPage" in gallery) address.searchParams.delete("before");
    address.hash = cardId || (isBeyondPage ? cards[top].id : "");
    // The browser restores an offset in this page, which means nothing in a page that starts elsewhere.
    history.scrollRestoration = isBeyondPage || cardId ? "manual" : "auto";
    if (address.href !== location.href) history.replaceState(history.state, "", address);
  }

  // Renames the days after midnight: Today becomes Yesterday. `today` is the server's date.
  #nameDays(today) {
    const yesterday = new Date(Date.parse(today) - DAY_MS).toISOString().slice(0, 10);
    const names = { [`day-${today}`]: "Today", [`day-${yesterday}`]: "Yesterday" };
    for (const { id, firstElementChild: head } of this.#days)
      head.textContent = names[id] ?? head.dataset.date ?? head.textContent;
  }

  #merge() {
    this.#observeEnd();
    // A video that this member submits after midnight comes before the poll that announces the new day.
    const newest = this.querySelector(".day");
    if (newest?.firstElementChild.textContent === "Today") this.#nameDays(newest.id.slice("day-".length));
    for (const day of this.querySelectorAll(".day[data-restored]")) this.#restore(day);
    for (const day of this.querySelectorAll(".day:not([data-joined])")) this.#join(day);
  }

  // New cards come before those of their day, older ones after.
  #join(day) {
    const joined = [...this.querySelectorAll(".day[data-joined]")];
    const isNewer = !joined.length || day.compareDocumentPosition(joined[0]) & Node.DOCUMENT_POSITION_FOLLOWING;
    const cards = [...day.querySelectorAll(".card")].filter((card) => !this.#mergeDuplicate(card));
    if (isNewer) this.#announceAuthors(cards);
    const existing = joined.find(({ id }) => id === day.id);
    if (existing) {
      const grid = existing.querySelector(".grid");
      if (isNewer) grid.prepend(...cards);
      else grid.append(...cards);
      day.remove();
      // htmx processes the fragment that they have just left.
      for (const card of cards) window.htmx.process(card);
    } else if (cards.length) day.dataset.joined = "";
    else day.remove();
  }

  // Returns cards from the trash to their places. Those of an earlier or a later page stay away.
  #restore(day) {
    day.remove();
    delete day.dataset.restored;
    for (const card of [...day.querySelectorAll(".card")]) {
      const shown = this.#cards.map(order);
      const isOlder = document.getElementById("older") && order(card) < Math.min(...shown);
      const isNewer = document.querySelector(".newer") && order(card) > Math.max(...shown);
      if (isOlder || isNewer) continue;
      const existing = document.getElementById(card.id);
      if (existing) {
        if (!isPlaying(existing)) existing.replaceWith(card);
      } else {
        const grid = this.#gridOf(day);
        grid.insertBefore(card, [...grid.children].find((other) => order(other) < order(card)) ?? null);
      }
      window.htmx.process(card);
    }
  }

  // The grid of the same day, which is added where it is missing.
  #gridOf(day) {
    const existing = this.#days.find(({ id }) => id === day.id);
    if (existing) return existing.querySelector(".grid");
    const added = day.cloneNode(true);
    const grid = added.querySelector(".grid");
    grid.replaceChildren();
    added.dataset.joined = "";
    const next = [...this.querySelectorAll(".day, #older")].find(({ id }) => id === "older" || id < day.id);
    this.insertBefore(added, next ?? null);
    return grid;
  }

  // The answer to the member's own form and the next poll may both bring a card: keep the later version.
  #mergeDuplicate(card) {
    const existing = [...document.querySelectorAll(`[id="${card.id}"]`)].find((other) => other !== card);
    if (!existing) return false;
    if (Number(card.dataset.version) > Number(existing.dataset.version) && !isPlaying(existing)) {
      this.emit("card:changing", [existing, card]);
      existing.replaceWith(card);
      window.htmx.process(card);
    } else card.remove();
    return true;
  }

  #announceAuthors(cards) {
    const authors = new Set(cards.map(({ dataset }) => dataset.by).filter((by) => by !== "you"));
    if (authors.size) this.announce(`A new video by ${[...authors].join(", ")}`);
  }
}

customElements.define("gallery-days", GalleryDays);

// The command menu: a field and the list of what it finds. command-key.js opens it and loads this script.
import { isComposing } from "./base-element.js";
import { score } from "./command-matching.js";
import { fold } from "./folding.js";
import { stylesheetsLoaded } from "./stylesheets.js";

const MAX_RESULTS = 50;
const PAGE = 8;
const FAILED = "The list could not be loaded. Check the connection and press Enter to try again.";
const ANNOUNCE_DELAY_MS = 500;

export async function fill(dialog, link) {
  const styles = Object.assign(document.createElement("link"), { rel: "stylesheet", href: link.dataset.commands });
  dialog.append(styles);
  new CommandMenu(dialog, link).load();
  await stylesheetsLoaded(dialog);
  dialog.style.opacity = "";
}

function icon(name) {
  const wrapper = document.createElement("template");
  wrapper.innerHTML = `<svg class="icon" aria-hidden="true"><use href="#i-${name}"></use></svg>`;
  return wrapper.content;
}

class CommandMenu {
  #options = [];
  #groups = [];
  #shown = [];
  #active = null;
  #hasFailed = false;
  #timer;

  constructor(dialog, link) {
    this.dialog = dialog;
    this.link = link;
    this.field = dialog.querySelector("input");
    this.#build();
    this.field.addEventListener("input", () => this.#update());
    dialog.addEventListener("keydown", (event) => this.#handleKey(event));
    dialog.addEventListener("click", (event) => this.#handleClick(event));
    this.list.addEventListener("pointermove", ({ target }) => this.#activate(target.closest(".command"), false));
    dialog.addEventListener("close", () => this.#restoreFocus());
  }

  // Builds the menu around the field, which keeps its focus, its text and a composition.
  #build() {
    this.dialog.setAttribute("aria-label", "Command menu");
    const label = "Go to a page, a member or a collection";
    Object.assign(this.field, {
      type: "text",
      placeholder: "Page, member or collection",
      autocomplete: "off",
      spellcheck: false,
      dir: "auto",
      enterKeyHint: "go",
      maxLength: 200,
    });
    const attributes = { role: "combobox", "aria-label": label, "aria-autocomplete": "list", "aria-expanded": "false" };
    for (const [name, value] of Object.entries(attributes)) this.field.setAttribute(name, value);
    this.field.setAttribute("aria-controls", "commands-list");
    this.list = Object.assign(document.createElement("div"), { id: "commands-list", hidden: true });
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", "Commands");
    this.note = Object.assign(document.createElement("p"), { className: "commands-note", textContent: "Loading…" });
    this.status = Object.assign(document.createElement("p"), { className: "visually-hidden" });
    this.note.setAttribute("role", "status");
    this.status.setAttribute("role", "status");
    const close = Object.assign(document.createElement("button"), { type: "button", className: "button plain square" });
    close.ariaLabel = "Close";
    close.dataset.close = "";
    close.append(icon("close"));
    this.field.before(icon("search"));
    this.field.after(close, this.list, this.note, this.status);
  }

  async load() {
    this.#hasFailed = false;
    this.note.textContent = "Loading…";
    try {
      const response = await fetch(this.link.href, { headers: { "HX-Request": "true" } });
      const redirect = response.headers.get("HX-Redirect");
      if (redirect) return location.assign(redirect);
      if (!response.ok) throw new Error(response.status);
      this.list.innerHTML = await response.text();
    } catch {
      this.#hasFailed = true;
      // The next Enter tries again, and chooses nothing.
      delete this.dialog.dataset.enter;
      this.note.textContent = FAILED;
      return;
    }
    this.#groups = [...this.list.children];
    this.#options = [...this.list.querySelectorAll(".command")].map((element) => ({
      element,
      group: element.parentElement,
      label: fold(element.querySelector("bdi").textContent),
      words: fold(element.dataset.words),
    }));
    this.note.hidden = true;
    this.#update();
    if ("enter" in this.dialog.dataset) this.#active?.click();
  }

  #update() {
    if (!this.#options.length) return;
    const query = fold(this.field.value.trim());
    if (query) this.#showResults(query);
    else this.#showAll();
    this.list.hidden = false;
    this.field.setAttribute("aria-expanded", "true");
    this.list.scrollTop = 0;
    this.#activate(this.#shown[0]);
    clearTimeout(this.#timer);
    const count = this.#shown.length;
    this.#timer = setTimeout(() => {
      this.status.textContent = query ? `${count} ${count === 1 ? "result" : "results"}` : "";
    }, ANNOUNCE_DELAY_MS);
  }

  #showAll() {
    for (const group of this.#groups) {
      const own = this.#options.filter((option) => option.group === group).map(({ element }) => element);
      group.append(...own.slice(0, Number(group.dataset.shown)));
      for (const element of own.slice(Number(group.dataset.shown))) element.remove();
    }
    this.list.replaceChildren(...this.#groups);
    this.#shown = [...this.list.querySelectorAll(".command")];
  }

  #showResults(query) {
    this.#shown = this.#options
      .map(({ element, label, words }) => ({ element, points: score(query, label, words) }))
      .filter(({ points }) => points > 0)
      .sort((one, other) => other.points - one.points)
      .slice(0, MAX_RESULTS)
      .map(({ element }) => element);
    this.#shown.push(this.#searchOption());
    this.list.replaceChildren(...this.#shown);
  }

  // Always the last option, as the words may come from a prompt.
  #searchOption() {
    const text = this.field.value.trim();
    const option = Object.assign(document.createElement("a"), {
      id: "command-search",
      className: "command",
      tabIndex: -1,
    });
    option.href = `/?${new URLSearchParams({ q: text })}`;
    option.setAttribute("role", "option");
    const label = Object.assign(document.createElement("bdi"), { textContent: text });
    const words = document.createElement("span");
    words.append("Search videos for ", label);
    option.append(icon("search"), words);
    return option;
  }

  #activate(option, scroll = true) {
    if (option === null || option === this.#active) return;
    this.#active?.setAttribute("aria-selected", "false");
    this.#active = option;
    option?.setAttribute("aria-selected", "true");
    if (option) this.field.setAttribute("aria-activedescendant", option.id);
    else this.field.removeAttribute("aria-activedescendant");
    if (scroll) option?.scrollIntoView({ block: "nearest" });
    // Show the heading above the first option too.
    if (scroll && option === this.#shown[0]) this.list.scrollTop = 0;
  }

  #handleKey(event) {
    if (isComposing(event)) return;
    if (event.key === "Enter" && event.target === this.field) return this.#handleEnter(event);
    const next = this.#next(event);
    if (next === null) return;
    event.preventDefault();
    this.#activate(this.#shown[next]);
  }

  #handleEnter(event) {
    event.preventDefault();
    if (event.repeat) return;
    if (this.#hasFailed) {
      delete this.dialog.dataset.enter;
      return this.load();
    }
    const { ctrlKey, metaKey, shiftKey } = event;
    this.#active?.dispatchEvent(
      new MouseEvent("click", { bubbles: true, cancelable: true, ctrlKey, metaKey, shiftKey }),
    );
  }

  // Returns the index of the option that a key leads to; null for other keys.
  #next({ key, altKey, ctrlKey, metaKey, shiftKey }) {
    const count = this.#shown.length;
    if (!count || altKey || ctrlKey || metaKey || shiftKey) return null;
    const here = this.#shown.indexOf(this.#active);
    if (key === "ArrowDown") return (here + 1) % count;
    if (key === "ArrowUp") return (here - 1 + count) % count;
    if (key === "PageDown") return Math.min(count - 1, here + PAGE);
    if (key === "PageUp") return Math.max(0, here - PAGE);
    if (key === "Home") return 0;
    return key === "End" ? count - 1 : null;
  }

  #handleClick(event) {
    if (event.target === this.dialog || event.target.closest("[data-close]")) return this.dialog.close();
    const option = event.target.closest(".command");
    if (!option || event.ctrlKey || event.metaKey || event.shiftKey) return;
    this.dialog.close();
    if (option.dataset.action && run(option.dataset.action)) event.preventDefault();
  }

  // The account menu, from which it may have been opened, is closed: focus its button.
  #restoreFocus() {
    clearTimeout(this.#timer);
    if (document.activeElement === document.body) document.querySelector("[popovertarget=account]")?.focus();
  }
}

// Runs the action of a command. Returns false if the browser has to follow its link instead.
function run(action) {
  const form = document.querySelector("video-form");
  if (action === "new" || action === "extend") {
    if (!form?.focusField) return false;
    document.dispatchEvent(new CustomEvent("form:filled"));
    if (action === "new") form.focusField();
    else extend(form);
  } else if (action.startsWith("theme-")) setTheme(action.slice("theme-".length));
  else if (action === "shortcuts")
    import("./keyboard-shortcuts.js").then(() => document.querySelector("[data-shortcuts]").click());
  else document.querySelector('#account form[action$="/logout/"]').requestSubmit();
  return true;
}

function extend(form) {
  form.fill({ mode: "extend" });
  const chooser = form.querySelector("#source video-picker button");
  if (chooser) chooser.click();
  else form.focusField();
}

async function setTheme(theme) {
  await import("./account-menu.js");
  const choice = document.querySelector(`#account [name=theme][value="${theme}"]`);
  choice.checked = true;
  choice.dispatchEvent(new Event("change", { bubbles: true }));
}

// The form for a new video. On a phone it is a sheet over the gallery. The browser keeps a draft for each member.
import { BaseElement, isComposing } from "./base-element.js";
import { CHANGE_TIMEOUT_MS, FormTurns } from "./form-turns.js";

const ERROR = ".note[role=alert], [aria-invalid=true], .error"; // the first takes the focus
const phone = matchMedia("(max-width: 860px)");
const FIELDS = [
  "mode",
  "prompt",
  "several",
  "aspect_ratio",
  "start_frame",
  "end_frame",
  "start_image_url",
  "end_image_url",
  "count",
  "loop",
  "enhancement",
  "timeout",
  "video_id",
  "video_url",
  "collection",
];
const NO_SOURCE = { source: "", video_id: "", video_url: "" };
const SAVE_DELAY_MS = 250;
const collectionOf = (url) => new URL(url, location).searchParams.get("collection");
const getPageUrl = () => location.pathname + location.search;
const creditFormat = new Intl.NumberFormat("en", { maximumFractionDigits: 3 });
const formatCredits = (thousandths) => creditFormat.format(thousandths / 1000);
const pluralize = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

// Formats thousandths of a credit with their unit.
export const formatCost = (cost, unit) =>
  `${formatCredits(cost)} ${unit === "credits" && cost === 1000 ? "credit" : unit}`;

class VideoForm extends BaseElement {
  #opener = null;
  #knownForm = null;
  #isSent = false;
  #turns = new FormTurns();
  #saveTimer = null;

  connect(signal) {
    this.dataset.live = "";
    document.addEventListener("click", (event) => this.#handleClick(event), { signal });
    document.addEventListener("submit", (event) => this.#handleSubmit(event), { signal, capture: true });
    document.addEventListener("keydown", (event) => this.#handleKey(event), { signal });
    document.addEventListener("htmx:oobAfterSwap", ({ target }) => target.id === "cost" && this.#count(), { signal });
    document.addEventListener("htmx:oobBeforeSwap", (event) => this.#handleCollections(event), { signal });
    document.addEventListener("htmx:afterSettle", () => this.#handleNewForm(), { signal });
    this.addEventListener("htmx:afterRequest", (event) => this.#handleResponse(event), { signal });
    this.addEventListener("htmx:beforeRequest", (event) => this.#handleRequest(event), { signal });
    // A form that is being replaced still emits the change of its focused field.
    for (const type of ["input", "change", "frame"])
      this.addEventListener(type, ({ target }) => this.form.contains(target) && this.#handleEdit(), { signal });
    addEventListener("pagehide", () => this.save(), { signal });
    phone.addEventListener("change", () => this.#updateSheet(), { signal });
    this.#knownForm = this.form;
    if (location.hash === "#new") this.#openAtStart(signal);
    this.#updateSheet();
    this.#resumeDraft();
    this.#count();
    this.querySelector(ERROR)?.focus();
  }

  #openAtStart(signal) {
    this.open();
    // The browser follows the fragment in the address until the page is loaded, which takes the focus away.
    const focus = () => document.activeElement === document.body && this.focusField();
    if (document.readyState !== "complete") addEventListener("load", focus, { once: true, signal });
  }

  get form() {
    return this.querySelector("#video-form");
  }

  get #isSheet() {
    return phone.matches && this.hasAttribute("open");
  }

  #handleClick(event) {
    this.#loadCodePanel(event);
    const link = event.target.closest("[data-open], [data-close], a[data-use], [data-drop-source]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (link.matches("[data-use]")) {
      event.preventDefault();
      this.#use(link);
    } else if ("dropSource" in link.dataset) {
      event.preventDefault();
      this.restore({ ...this.values, ...NO_SOURCE });
    } else if (link.matches("a")) {
      event.preventDefault();
      if ("open" in link.dataset) this.open(link);
      else this.close();
    }
  }

  // Most visits never need it.
  #loadCodePanel(event) {
    const button = event.target.closest("code-panel:not(:defined) button");
    if (!button) return;
    event.preventDefault();
    import("./code-panel.js").then(() => button.click());
  }

  #handleKey(event) {
    if (event.key !== "Escape" || isComposing(event) || event.defaultPrevented || !this.#isSheet) return;
    if (document.querySelector("dialog[open], :popover-open")) return;
    event.preventDefault();
    this.close();
  }

  open(opener = document.activeElement) {
    this.#opener = opener;
    this.setAttribute("open", "");
    this.#updateSheet();
    this.querySelector("#prompt").focus({ preventScroll: true });
  }

  close() {
    this.removeAttribute("open");
    this.#updateSheet();
    if (this.#opener?.isConnected) this.#opener.focus({ preventScroll: true });
    this.#opener = null;
  }

  // An open sheet is a modal dialog: nothing behind it can be reached.
  #updateSheet() {
    const isSheet = this.#isSheet;
    for (const behind of document.querySelectorAll(".top, .gallery, .new-video, .notes, .skip")) behind.inert = isSheet;
    this.setAttribute("role", isSheet ? "dialog" : "region");
    if (isSheet) this.setAttribute("aria-modal", "true");
    else this.removeAttribute("aria-modal");
  }

  focusField(field = this.querySelector("#prompt")) {
    if (phone.matches && !this.hasAttribute("open")) this.open();
    field.focus();
  }

  // The draft

  get #draftKey() {
    return `draft:${this.form.dataset.member}`;
  }

  get values() {
    const data = new FormData(this.form);
    const values = { source: this.form.dataset.source };
    for (const name of FIELDS) values[name] = data.get(name) ?? "";
    return values;
  }

  fill(values) {
    for (const name of FIELDS) {
      const field = this.form.elements[name];
      if (!field || !(name in values)) continue;
      if (field.type === "checkbox") field.checked = Boolean(values[name]);
      else field.value = values[name];
      if (field.selectedIndex < 0) field.selectedIndex = 0; // the collection was deleted
    }
    for (const tile of this.form.querySelectorAll("frame-tile")) tile.show?.();
    this.form.elements.prompt.dispatchEvent(new Event("input", { bubbles: true }));
  }

  save() {
    clearTimeout(this.#saveTimer);
    this.#saveTimer = null;
    const draft = { ...this.values, at: getPageUrl() };
    // Keep what was sent, except for the extended video.
    if (this.#isSent && draft.mode === "extend") Object.assign(draft, NO_SOURCE, { mode: "text" });
    try {
      localStorage.setItem(this.#draftKey, JSON.stringify(draft));
    } catch {
      // Without storage nothing survives a reload.
    }
  }

  #loadDraft() {
    try {
      const draft = JSON.parse(localStorage.getItem(this.#draftKey));
      // The collection is kept while the same one is shown; elsewhere the form has that of the page.
      if (collectionOf(draft.at) !== collectionOf(location)) delete draft.collection;
      return draft;
    } catch {
      return null;
    }
  }

  #handleEdit() {
    // The note about equal requests is about another one now.
    this.querySelector(".existing")?.remove();
    this.#handleChange();
  }

  #handleChange() {
    this.#isSent = false;
    this.#count();
    this.#saveTimer ??= setTimeout(() => this.save(), SAVE_DELAY_MS);
  }

  // What the member changed before this script was there.
  get #changed() {
    const { values } = this;
    const isChanged = ({ type, checked, defaultChecked, value, defaultValue }) =>
      ["radio", "checkbox"].includes(type) ? checked !== defaultChecked : value !== (defaultValue ?? value);
    const names = [...this.form.elements].filter(isChanged).map(({ name }) => name);
    return Object.fromEntries(FIELDS.filter((name) => names.includes(name)).map((name) => [name, values[name]]));
  }

  // A form that a link has filled replaces the draft, with Undo.
  #resumeDraft() {
    const draft = this.#loadDraft();
    const { given } = this.form.dataset;
    if (!draft || given === "errors") return;
    Object.assign(draft, this.#changed);
    const isReload = performance.getEntriesByType("navigation")[0]?.type !== "navigate" && draft.at === getPageUrl();
    if (!given || isReload) return this.restore(draft, { focus: false });
    if (given === "all") return this.#offerUndo(draft);
    const names = given.split(" ");
    const { values } = this;
    this.restore({ ...draft, ...Object.fromEntries(names.map((name) => [name, values[name]])) }, { focus: false });
    if (names.some((name) => draft[name] && draft[name] !== values[name])) this.#offerUndo(draft);
  }

  restore(values, { focus = true } = {}) {
    const fill = () => {
      this.fill(values);
      this.save();
      if (focus) this.focusField();
    };
    if (values.source === this.form.dataset.source) return fill();
    return this.#turns.change(async () => {
      const form = await this.fetchForm(values.source ? `/generations/${values.source}/extend/` : "/");
      // If the video is gone, its id in the present form says the same.
      if (form) this.replaceSource(form);
      fill();
    });
  }

  #offerUndo(values) {
    const isEmpty = !["prompt", "start_frame", "end_frame", "start_image_url", "end_image_url"].some(
      (name) => values[name],
    );
    if (!isEmpty) this.toast("Form replaced.", { undo: () => this.restore(values) });
  }

  // Extend, Reuse and Use

  #use(control, submitter) {
    // Taken before the script loads: the playhead moves on.
    const body = control.matches("form") ? new FormData(control, submitter) : null;
    return this.#turns.change(async () => {
      const { useVideo } = await import("./use-video.js");
      return useVideo(this, control, body, submitter);
    });
  }

  async fetchForm(url) {
    try {
      const response = await fetch(url, {
        headers: { "HX-Request": "true", "HX-Target": "video-form" },
        signal: AbortSignal.timeout(CHANGE_TIMEOUT_MS),
      });
      const redirect = response.headers.get("HX-Redirect");
      if (redirect) location.assign(redirect);
      if (!response.ok) return null;
      return new DOMParser().parseFromString(await response.text(), "text/html").getElementById("video-form");
    } catch {
      return null;
    }
  }

  // Takes only what is extended from this form: the other fields keep their values, and their uploads go on.
  replaceSource(form) {
    this.form.querySelector("#source").replaceWith(document.adoptNode(form.querySelector("#source")));
    this.form.dataset.source = form.dataset.source;
    this.form.elements.collection.value ||= form.elements.collection.value;
  }

  get #lacksSource() {
    const { mode, video_id: id, video_url: url } = this.values;
    return mode === "extend" && !id.trim() && !url.trim();
  }

  // The list of collections was renewed.
  #handleCollections({ target, detail }) {
    if (target.id !== "collection") return;
    const fresh = detail.fragment.querySelector("select");
    fresh.value = target.value;
    if (fresh.selectedIndex < 0) fresh.selectedIndex = 0;
  }

  // A collection that the member chose stays.
  replaceForm(form) {
    const { value } = this.form.elements.collection;
    if (value) form.elements.collection.value = value;
    this.#knownForm = document.adoptNode(form);
    this.form.replaceWith(form);
    window.htmx.process(form);
  }

  #handleSubmit(event) {
    const form = event.target;
    if (form.action.endsWith("/logout/")) {
      localStorage.removeItem(this.#draftKey);
      // A pending save or the end of the page would store the draft again.
      clearTimeout(this.#saveTimer);
      this.disconnectedCallback();
    } else if (form.matches("form[data-use]")) {
      event.preventDefault();
      event.stopPropagation();
      this.#use(form, event.submitter);
    } else if (form === this.form && !event.submitter?.hasAttribute("formaction")) this.#checkSubmission(event);
  }

  // While the form changes, nothing is sent: the member means the changed form.
  #checkSubmission(event) {
    if (!this.#turns.isChanging && !this.#lacksSource) return;
    event.preventDefault();
    event.stopPropagation();
    if (this.#turns.isChanging)
      this.toast("Nothing was sent: the form is still changing. Send it once it has changed.");
    else this.form.querySelector("#source video-picker button").click();
  }

  // The server sent this form with its errors.
  #handleNewForm() {
    if (this.form === this.#knownForm) return;
    this.#knownForm = this.form;
    if (phone.matches) this.open();
    const invalid = this.querySelector(ERROR);
    const field = invalid ?? this.querySelector(".existing a") ?? this.querySelector("#prompt");
    field.closest("details")?.setAttribute("open", "");
    field.focus();
    this.#handleChange();
    if (invalid) this.announce("The form has errors.");
  }

  // Counts the videos and their cost as the server will.
  #count() {
    const { prompt, several, count } = this.form.elements;
    const prompts = several.checked ? Math.max(1, prompt.value.split("\n").filter((line) => line.trim()).length) : 1;
    const takes = Number(count.value || 1);
    this.#showCount(prompts, takes, prompts * takes);
    this.#showCost(prompts * takes);
  }

  #showCount(prompts, takes, videos) {
    const { maxVideos } = this.form.dataset;
    const line = this.form.querySelector(".cost-asked");
    line.textContent = pluralize(videos, "video");
    if (prompts > 1 && takes > 1) line.textContent += `: ${pluralize(prompts, "prompt")} × ${pluralize(takes, "take")}`;
    if (videos > maxVideos) line.textContent += `, the limit is ${maxVideos}`;
    line.toggleAttribute("data-over", videos > maxVideos);
  }

  #showCost(videos) {
    const {
      dataset: { left, unit, ...prices },
      children: [, sum, raise],
    } = this.form.querySelector("#cost");
    const cost = videos * prices[this.form.elements.mode.value === "extend" ? "extend" : "generate"];
    const isOver = left !== "" && cost > left;
    const total = formatCost(cost, unit);
    sum.textContent = left ? `${total} of ${formatCredits(left)} left` : total;
    sum.toggleAttribute("data-over", isOver);
    if (raise) raise.hidden = !isOver;
  }

  #setBusy({ detail, target }, value) {
    if (target.id !== "video-form" || detail.elt !== target) return;
    target.querySelector(".video-form-foot > [type=submit]").setAttribute("aria-busy", value);
  }

  #handleRequest(event) {
    this.#setBusy(event, "true");
    if (event.detail.elt === this.form) this.#turns.startSending();
  }

  #handleResponse(event) {
    this.#setBusy(event, "false");
    const { detail, target } = event;
    // With errors, the form was replaced: htmx then emits this from the element around it.
    if (detail.requestConfig.elt.id === "video-form") this.#turns.endSending(detail.xhr.status === 200);
    if (target.id !== "video-form" || detail.requestConfig.verb !== "post" || detail.xhr.status !== 200) return;
    this.#isSent = true;
    this.save();
    for (const error of this.form.querySelectorAll(".existing, .note[role=alert], .error")) error.remove();
    for (const field of this.form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
    this.announce("Sent. It is in the queue.");
    if (phone.matches) this.close();
    scrollTo({ top: 0, behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }
}

customElements.define("video-form", VideoForm);

// The form. On a phone it is a sheet, which keeps the focus. The draft stays in this browser, by member.
// Controls with data-use replace what is typed, with Undo.
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
];
const VIDEOS_AT_MOST = 100;
const HTMX = { "HX-Request": "true", "HX-Target": "video-form" };
const here = () => location.pathname + location.search;
const credits = (thousandths) => (thousandths / 1000).toLocaleString("en", { maximumFractionDigits: 3 });
const many = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

class VideoForm extends HTMLElement {
  #listening;
  #opener = null;
  #form = null;
  #before = null;
  #sent = false;
  #saving;

  connectedCallback() {
    this.dataset.live = "";
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    document.addEventListener("click", (event) => this.#clicked(event), { signal });
    document.addEventListener("submit", (event) => this.#submitted(event), { signal, capture: true });
    document.addEventListener(
      "keydown",
      (event) =>
        event.key === "Escape" &&
        this.#isSheet &&
        !document.querySelector("dialog[open], :popover-open") &&
        this.close(),
      { signal },
    );
    document.addEventListener("htmx:oobAfterSwap", ({ target }) => target.id === "cost" && this.#count(), { signal });
    document.addEventListener("htmx:afterSettle", () => this.#arrived(), { signal });
    this.addEventListener(
      "htmx:beforeSwap",
      ({ detail }) => {
        if (detail.requestConfig.verb === "get") this.#before = this.#read();
      },
      { signal },
    );
    this.addEventListener("htmx:afterRequest", (event) => this.#answered(event), { signal });
    this.addEventListener("htmx:beforeRequest", (event) => this.#busy(event, "true"), { signal });
    // A form that goes has its field say that it changed, when the one that comes with its answer is there already.
    for (const kind of ["input", "change", "frame"])
      this.addEventListener(kind, ({ target }) => this.form.contains(target) && this.#edited(), { signal });
    addEventListener("pagehide", () => this.#save(), { signal });
    phone.addEventListener("change", () => this.#guard(), { signal });
    this.#form = this.form;
    if (location.hash === "#new") this.setAttribute("open", "");
    this.#guard();
    this.#resume();
    this.#count();
    this.querySelector("[aria-invalid=true]")?.focus();
  }

  disconnectedCallback() {
    this.#listening.abort();
  }

  get form() {
    return this.querySelector("#video-form");
  }

  get #isSheet() {
    return phone.matches && this.hasAttribute("open");
  }

  // The sheet

  #clicked(event) {
    // Loaded with the first press: most visits never need it.
    const sleeping = event.target.closest("code-panel:not(:defined) button");
    if (sleeping) {
      event.preventDefault();
      import("./code-panel.js").then(() => sleeping.click());
    }
    const link = event.target.closest("[data-open], [data-close], a[data-use], [data-drop-source]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (link.matches("[data-use]")) {
      if (link.hasAttribute("hx-get")) return;
      event.preventDefault();
      this.#use(link);
    } else if ("dropSource" in link.dataset) {
      event.preventDefault();
      this.#restore({ ...this.#read(), source: "", video_id: "", video_url: "" });
    } else if (link.matches("a")) {
      event.preventDefault();
      if ("open" in link.dataset) this.open(link);
      else this.close();
    }
  }

  open(opener = document.activeElement) {
    this.#opener = opener;
    this.setAttribute("open", "");
    this.#guard();
    this.querySelector("#prompt").focus({ preventScroll: true });
  }

  close() {
    this.removeAttribute("open");
    this.#guard();
    if (this.#opener?.isConnected) this.#opener.focus({ preventScroll: true });
    this.#opener = null;
  }

  // While the sheet is open nothing behind it can be reached, and it says that it is a dialog.
  #guard() {
    const sheet = this.#isSheet;
    for (const behind of document.querySelectorAll(".top, .gallery, .new-video, .notes, .skip")) behind.inert = sheet;
    this.setAttribute("role", sheet ? "dialog" : "region");
    this.toggleAttribute("aria-modal", false);
    if (sheet) this.setAttribute("aria-modal", "true");
  }

  // The draft

  get #key() {
    return `draft:${this.form.dataset.member}`;
  }

  #read() {
    const data = new FormData(this.form);
    const draft = { source: this.form.dataset.source };
    for (const name of FIELDS) draft[name] = data.get(name) ?? "";
    return draft;
  }

  #write(draft, names = FIELDS) {
    for (const name of names) {
      const field = this.form.elements[name];
      if (!field || !(name in draft)) continue;
      if (field.type === "checkbox") field.checked = Boolean(draft[name]);
      else field.value = draft[name];
    }
    for (const tile of this.form.querySelectorAll("frame-tile")) tile.show?.();
    this.form.elements.prompt.dispatchEvent(new Event("input", { bubbles: true }));
  }

  #save() {
    clearTimeout(this.#saving);
    this.#saving = null;
    const draft = { ...this.#read(), at: here() };
    // Keep what was sent, except for the extended video.
    if (this.#sent && draft.mode === "extend")
      Object.assign(draft, { mode: "text", source: "", video_id: "", video_url: "" });
    try {
      localStorage.setItem(this.#key, JSON.stringify(draft));
    } catch {
      // Without storage nothing survives a reload.
    }
  }

  #stored() {
    try {
      return JSON.parse(localStorage.getItem(this.#key));
    } catch {
      return null;
    }
  }

  #edited() {
    // It was about another request.
    this.querySelector(".existing")?.remove();
    this.#changed();
  }

  #changed() {
    this.#sent = false;
    this.#count();
    this.#saving ??= setTimeout(() => this.#save(), 250);
  }

  // A form set up by a link replaces the draft, with Undo.
  #resume() {
    const draft = this.#stored();
    const { given } = this.form.dataset;
    if (!draft || given === "errors") return;
    const again = performance.getEntriesByType("navigation")[0]?.type !== "navigate" && draft.at === here();
    if (!given || again) return this.#restore(draft, true);
    if (given === "all") return this.#offer(draft);
    const names = given.split(" ");
    const fresh = this.#read();
    this.#restore({ ...draft, ...Object.fromEntries(names.map((name) => [name, fresh[name]])) }, true);
    if (names.some((name) => draft[name] && draft[name] !== fresh[name])) this.#offer(draft);
  }

  async #restore(draft, quietly) {
    if (draft.source !== this.form.dataset.source) {
      const form = await this.#fetch(draft.source ? `/generations/${draft.source}/extend/` : "/");
      // The video may be gone by now; its id, in the form as it is, says the same.
      if (form) this.#put(form);
    }
    this.#write(draft);
    this.#save();
    if (!quietly) this.#attend();
  }

  #offer(draft, words = "The form was set up anew.") {
    if (!draft.prompt && !draft.start_frame && !draft.end_frame && !draft.start_image_url && !draft.end_image_url)
      return;
    this.#say("toast", { text: words, undo: () => this.#restore(draft) });
  }

  // Using what there is

  async #use(control, submitter) {
    const before = this.#read();
    const what = control.dataset.use;
    const isFrame = what === "start" || what === "end";
    if (isFrame) {
      if (!(await this.#useFrame(what, control, submitter))) return;
    } else if (control.matches(".prompt-option")) {
      this.#write({ prompt: control.textContent });
    } else if (!(await this.#useVideo(what, control.href))) return;
    document.dispatchEvent(new CustomEvent("form:filled"));
    this.#save();
    this.#attend(isFrame ? this.form.elements[`${what}_image`] : undefined);
    const words = {
      prompt: "The prompt is in the form.",
      start: "Used as the start picture.",
      end: "Used as the end picture.",
      extend: "The form is set up to extend it.",
    };
    this.#say("toast", { text: words[what] ?? "All its settings are in the form.", undo: () => this.#restore(before) });
  }

  async #useFrame(side, form, submitter) {
    const isExtension = side === "end" && this.#read().mode === "extend";
    const made = await this.#cut(form, submitter);
    if (!made) return false;
    const mode = isExtension ? "extend" : "frames";
    this.#write({ [`${side}_frame`]: made.frame, [`${side}_image_url`]: "", mode });
    return true;
  }

  async #useVideo(what, url) {
    const form = await this.#fetch(url);
    if (!form) {
      this.#say("toast", { text: "That did not work: the video may be gone. Reload the page.", level: "error" });
      return false;
    }
    if (what === "prompt") this.#write({ prompt: form.elements.prompt.value });
    else this.#put(form);
    return true;
  }

  async #cut(form, submitter) {
    submitter?.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.action, {
        method: "POST",
        body: new FormData(form, submitter),
        headers: { Accept: "application/json" },
      });
      const made = await answer.json();
      if (answer.ok) return made;
      this.#say("toast", { text: made.error, level: "error" });
    } catch {
      this.#say("toast", {
        text: "The picture could not be taken from the video. Try again in a moment.",
        level: "error",
      });
    } finally {
      submitter?.removeAttribute("aria-busy");
    }
    return null;
  }

  async #fetch(url) {
    try {
      const answer = await fetch(url, { headers: HTMX });
      const away = answer.headers.get("HX-Redirect");
      if (away) location.assign(away);
      return answer.ok
        ? new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("video-form")
        : null;
    } catch {
      return null;
    }
  }

  #put(form) {
    this.#form = document.adoptNode(form);
    this.form.replaceWith(form);
    window.htmx.process(form);
  }

  #attend(field = this.querySelector("#prompt")) {
    if (phone.matches && !this.hasAttribute("open")) this.open();
    field.focus();
  }

  #submitted(event) {
    const form = event.target;
    if (form.action.endsWith("/logout/")) {
      localStorage.removeItem(this.#key);
      // A pending save would store the draft again.
      clearTimeout(this.#saving);
      this.#listening.abort();
    } else if (form.matches("form[data-use]")) {
      event.preventDefault();
      event.stopPropagation();
      this.#use(form, event.submitter);
    }
  }

  // The form comes and goes

  // Another form, by Extend or Reuse, or this one with its errors.
  #arrived() {
    if (this.form === this.#form) return;
    this.#form = this.form;
    if (phone.matches) this.open();
    const wrong = this.querySelector("[aria-invalid=true]");
    const field = wrong ?? this.querySelector(".existing a") ?? this.querySelector("#prompt");
    field.closest("details")?.setAttribute("open", "");
    field.focus();
    this.#changed();
    if (wrong) this.#say("announce", "The form has errors.");
    else if (this.#before) this.#offer(this.#before);
    this.#before = null;
  }

  // How many videos the button makes, as the server will count them.
  #count() {
    const { prompt, several, count } = this.form.elements;
    const prompts = several.checked ? Math.max(1, prompt.value.split("\n").filter((line) => line.trim()).length) : 1;
    const takes = Number(count.value || 1);
    const videos = prompts * takes;
    const line = this.form.querySelector(".cost-asked");
    line.textContent =
      many(videos, "video") + (prompts > 1 && takes > 1 ? `: ${many(prompts, "prompt")} × ${many(takes, "take")}` : "");
    line.toggleAttribute("data-over", videos > VIDEOS_AT_MOST);
    if (videos > VIDEOS_AT_MOST) line.textContent += `, ${VIDEOS_AT_MOST} are the most`;
    const {
      dataset: { left, unit, ...prices },
      children: [, sum, raise],
    } = this.form.querySelector("#cost");
    const asked = videos * prices[this.form.elements.mode.value === "extend" ? "extend" : "generate"];
    const over = left !== "" && asked > left;
    sum.textContent = `${credits(asked)} ${unit === "credits" && asked === 1000 ? "credit" : unit}${left && ` of ${credits(left)} left`}`;
    sum.toggleAttribute("data-over", over);
    if (raise) raise.hidden = !over;
  }

  #busy({ detail, target }, yes) {
    if (target.id === "video-form" && detail.elt === target)
      target.querySelector(".video-form-foot > [type=submit]").setAttribute("aria-busy", yes);
  }

  #answered(event) {
    this.#busy(event, "false");
    const { detail, target } = event;
    if (target.id !== "video-form" || detail.requestConfig.verb !== "post" || detail.xhr.status !== 200) return;
    this.#sent = true;
    this.#save();
    // Its errors are fixed.
    for (const past of this.form.querySelectorAll(".existing, .note[role=alert], .error")) past.remove();
    for (const field of this.form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
    this.#say("announce", "Sent. It is in the queue.");
    if (phone.matches) this.close();
    scrollTo({ top: 0, behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }

  #say(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
  }
}

customElements.define("video-form", VideoForm);

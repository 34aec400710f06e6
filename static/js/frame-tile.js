// A picture's tile: drop, paste onto it, or choose; shown at once from memory.
const KINDS = ["image/jpeg", "image/png", "image/webp"];
const mega = (bytes) => `${(bytes / 1048576).toFixed(bytes < 10485760 ? 1 : 0)} MB`;

class FrameTile extends HTMLElement {
  #listening;
  #shown = "";

  connectedCallback() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    this.addEventListener("change", () => this.take(this.file.files[0]), { signal });
    this.addEventListener("dragover", (event) => this.#over(event), { signal });
    this.addEventListener("dragleave", () => this.removeAttribute("data-over"), { signal });
    this.addEventListener("drop", (event) => this.#drop(event), { signal });
    this.clearer.addEventListener("click", () => this.clear(), { signal });
    this.#render();
  }

  disconnectedCallback() {
    this.#listening.abort();
    URL.revokeObjectURL(this.#shown);
  }

  get file() { return this.querySelector("[type=file]"); }
  get kept() { return this.querySelector("[type=hidden]"); }
  get clearer() { return this.querySelector(".tile-clear"); }
  get link() { return this.parentElement.querySelector("[type=url]"); }

  #over(event) {
    if (this.file.disabled) return;
    event.preventDefault();
    this.dataset.over = "";
  }

  #drop(event) {
    event.preventDefault();
    this.removeAttribute("data-over");
    if (!this.file.disabled) this.take(event.dataTransfer.files[0]);
  }

  take(file) {
    if (!file) return this.#render();
    const wrong = this.#wrong(file);
    this.#complain(wrong);
    const files = new DataTransfer();
    if (!wrong) files.items.add(file);
    this.file.files = files.files;
    if (!wrong) this.kept.value = "";
    this.#render();
  }

  #wrong(file) {
    const most = Number(this.dataset.max);
    if (!KINDS.includes(file.type)) return "This file is no picture. Choose a JPEG, PNG or WebP.";
    if (file.size > most) return `This picture has ${mega(file.size)}; the most is ${mega(most)}.`;
    return "";
  }

  #complain(words) {
    const place = this.parentElement.querySelector("[id$=-problem]");
    place.replaceChildren();
    this.file.setAttribute("aria-invalid", String(Boolean(words)));
    if (!words) return;
    const line = document.createElement("p");
    line.className = "error";
    line.textContent = words;
    place.append(line);
    this.dispatchEvent(new CustomEvent("announce", { bubbles: true, detail: words }));
  }

  clear() {
    this.file.value = "";
    this.kept.value = "";
    this.#complain("");
    this.#render();
    this.file.focus();
  }

  // What the tile holds can be taken out and put into the other one.
  get content() {
    return { files: this.file.files, kept: this.kept.value, source: this.querySelector("img")?.src ?? "", link: this.link.value };
  }

  set content({ files, kept, source, link }) {
    this.file.files = files;
    this.kept.value = kept;
    this.link.value = link;
    this.#render(kept ? source : "");
  }

  #render(source = this.kept.value ? this.querySelector("img")?.src ?? "" : "") {
    URL.revokeObjectURL(this.#shown);
    this.#shown = this.file.files[0] ? URL.createObjectURL(this.file.files[0]) : "";
    const picture = this.#shown || source;
    this.querySelector("img")?.remove();
    if (picture) this.prepend(Object.assign(document.createElement("img"), { src: picture, alt: "" }));
    this.toggleAttribute("data-filled", Boolean(picture));
    this.clearer.hidden = !picture;
    this.dispatchEvent(new Event("frame", { bubbles: true }));
  }
}

customElements.define("frame-tile", FrameTile);

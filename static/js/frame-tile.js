// A picture's tile: drop, paste onto it, or choose; shown at once from memory and sent ahead of the form.
// Should the form be sent first, or the upload fail, the file itself goes with the form.
const KINDS = ["image/jpeg", "image/png", "image/webp"];
// Uploads that are resent while the server is busy, before the form shows an error.
const RETRIES = 5;
// Rounded up: a file just beyond the limit must not read as one that keeps it.
const mega = (bytes) => `${Math.ceil((bytes / 1048576) * 10) / 10} MB`;

class FrameTile extends HTMLElement {
  #listening;
  #shown = "";
  #upload = null;
  #retry = 0;

  connectedCallback() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    this.addEventListener("change", () => this.take(this.file.files[0]), { signal });
    this.addEventListener("dragover", (event) => this.#over(event), { signal });
    this.addEventListener("dragleave", () => this.removeAttribute("data-over"), { signal });
    this.addEventListener("drop", (event) => this.#drop(event), { signal });
    this.clearer.addEventListener("click", () => this.clear(), { signal });
    // Somebody may have been quicker than this code.
    this.take(this.file.files[0]);
  }

  disconnectedCallback() {
    this.#listening.abort();
    this.#stop();
    URL.revokeObjectURL(this.#shown);
  }

  get file() {
    return this.querySelector("[type=file]");
  }
  get kept() {
    return this.querySelector("[type=hidden]");
  }
  get clearer() {
    return this.querySelector(".tile-clear");
  }
  get link() {
    return this.parentElement.querySelector("[type=url]");
  }

  #over(event) {
    event.preventDefault();
    if (this.file.disabled) event.dataTransfer.dropEffect = "none";
    else this.dataset.over = "";
  }

  #drop(event) {
    event.preventDefault();
    this.removeAttribute("data-over");
    if (this.file.disabled) return;
    const [file] = event.dataTransfer.files;
    const [link] = event.dataTransfer
      .getData("text/uri-list")
      .split("\n")
      .filter((line) => /^https?:/.test(line));
    if (file || !link) return this.take(file);
    // Dragged over from another page: then it is a link.
    this.clear();
    this.link.value = link.trim();
    this.link.dispatchEvent(new Event("input", { bubbles: true }));
  }

  take(file) {
    if (!file) return this.show();
    const wrong = this.#wrong(file);
    this.#complain(wrong);
    this.#stop();
    const files = new DataTransfer();
    if (!wrong) files.items.add(file);
    this.file.files = files.files;
    if (!wrong) this.kept.value = "";
    this.show();
    if (!wrong) this.#send(file);
  }

  #wrong(file) {
    const most = Number(this.dataset.max);
    if (!KINDS.includes(file.type)) return "This file is no picture. Choose a JPEG, PNG or WebP.";
    if (file.size > most) return `This picture has ${mega(file.size)}; the most is ${mega(most)}.`;
    return "";
  }

  // Only XMLHttpRequest tells how much of an upload is done.
  #send(file, tries = 0) {
    const upload = new XMLHttpRequest();
    const bar = this.querySelector("progress");
    const data = new FormData();
    data.set("csrfmiddlewaretoken", this.file.form.elements.csrfmiddlewaretoken.value);
    data.set("image", file);
    upload.upload.addEventListener("progress", ({ loaded, total }) => {
      bar.value = loaded / total;
    });
    upload.addEventListener("loadend", () => this.#upload === upload && this.#sent(upload, file, tries));
    upload.open("POST", this.dataset.uploads);
    upload.setRequestHeader("Accept", "application/json");
    upload.responseType = "json";
    this.#upload = upload;
    this.dataset.uploading = "";
    bar.value = 0;
    bar.hidden = false;
    upload.send(data);
  }

  #sent(upload, file, tries) {
    const { status, response } = upload;
    const wait = Number(upload.getResponseHeader("Retry-After"));
    this.#stop();
    if (status === 503 && wait && tries < RETRIES) {
      this.dataset.uploading = "";
      this.#retry = setTimeout(() => this.#send(file, tries + 1), wait * 1000);
      return;
    }
    if (status === 200 && response?.frame) {
      this.kept.value = response.frame;
      this.file.value = "";
      this.#tell("announce", "The picture is uploaded.");
      this.dispatchEvent(new Event("frame", { bubbles: true }));
    } else if (status === 422) {
      this.file.value = "";
      this.show();
      this.#complain(response?.error ?? "This picture cannot be used. Choose another.");
    } else if (status === 413) {
      this.file.value = "";
      this.show();
      this.#complain("This picture is too large to be sent. Choose a smaller one.");
    } else {
      this.#complain(
        response?.error ??
          "The picture did not get through. Check the connection; or just go on: it is sent again with the form.",
        true,
      );
    }
  }

  #stop() {
    const upload = this.#upload;
    this.#upload = null;
    upload?.abort();
    clearTimeout(this.#retry);
    this.removeAttribute("data-uploading");
    this.querySelector("progress").hidden = true;
  }

  #complain(words, again) {
    const place = this.parentElement.querySelector("[id$=-problem]");
    place.replaceChildren();
    this.file.setAttribute("aria-invalid", String(Boolean(words)));
    if (!words) return;
    const line = Object.assign(document.createElement("p"), { className: "error", textContent: words });
    place.append(line);
    if (again) {
      const button = Object.assign(document.createElement("button"), {
        type: "button",
        className: "link",
        textContent: "Upload again",
      });
      button.addEventListener("click", () => this.take(this.file.files[0]));
      place.append(button);
    }
    this.#tell("announce", words);
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
  }

  clear() {
    this.#stop();
    this.file.value = "";
    this.kept.value = "";
    this.#complain("");
    this.show();
    this.file.focus();
  }

  // What the tile holds can be taken out and put into the other one.
  get content() {
    return { file: this.file.files[0], kept: this.kept.value, link: this.link.value };
  }

  set content({ file, kept, link }) {
    this.#stop();
    this.file.value = "";
    this.kept.value = kept;
    this.link.value = link;
    this.#complain("");
    if (file) this.take(file);
    else this.show();
  }

  // The picture as it is now: the file in memory, or the one that is kept on the server.
  show() {
    const [file] = this.file.files;
    let picture = "";
    if (file) picture = URL.createObjectURL(file);
    else if (this.kept.value) picture = `${this.dataset.uploads}${this.kept.value}/`;
    if (this.#shown !== picture) URL.revokeObjectURL(this.#shown);
    this.#shown = picture;
    this.querySelector("img")?.remove();
    if (picture) {
      const image = Object.assign(document.createElement("img"), { src: picture, alt: "" });
      // A draft may name a picture that nobody used for so long that it was removed.
      image.addEventListener("error", () => {
        if (!image.isConnected || this.file.files.length) return;
        this.kept.value = "";
        this.show();
        this.#complain("This picture is no longer here. Choose it again.");
      });
      this.prepend(image);
    }
    this.toggleAttribute("data-filled", Boolean(picture));
    this.clearer.hidden = !picture;
    this.dispatchEvent(new Event("frame", { bubbles: true }));
  }
}

customElements.define("frame-tile", FrameTile);

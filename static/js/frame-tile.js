// A start or end frame: an image that is chosen, dropped or pasted. It is uploaded before the form is sent, and then the
// tile shows what the server keeps: the browser may draw the file differently, or not at all. If the form is sent first, or the
// upload fails, the form carries the file.
import { BaseElement } from "./base-element.js";

// Uploads that are sent again while the server is busy, before the form shows an error.
const RETRIES = 5;
const MEGABYTE = 1024 * 1024;
const WEB_ADDRESS = /^https?:/;
// Rounded up: a file just above the limit must not look as if it kept to it.
const megabytes = new Intl.NumberFormat("en", {
  style: "unit",
  unit: "megabyte",
  maximumFractionDigits: 1,
  roundingMode: "ceil",
});
const formatSize = (bytes) => megabytes.format(bytes / MEGABYTE);

class FrameTile extends BaseElement {
  #imageUrl = "";
  #request = null;
  #retryTimer;

  connect(signal) {
    this.addEventListener("change", () => this.take(this.file.files[0]), { signal });
    this.addEventListener("dragover", (event) => this.#handleDragOver(event), { signal });
    this.addEventListener("dragleave", () => this.removeAttribute("data-over"), { signal });
    this.addEventListener("drop", (event) => this.#handleDrop(event), { signal });
    this.clearButton.addEventListener("click", () => this.clear(), { signal });
    // This script loads late: a file may have been chosen before.
    this.take(this.file.files[0]);
  }

  disconnect() {
    this.#stop();
    URL.revokeObjectURL(this.#imageUrl);
  }

  get file() {
    return this.querySelector("[type=file]");
  }
  get kept() {
    return this.querySelector("[type=hidden]");
  }
  get clearButton() {
    return this.querySelector(".tile-clear");
  }
  get link() {
    return this.parentElement.querySelector("[type=url]");
  }

  #handleDragOver(event) {
    event.preventDefault();
    if (this.file.disabled) event.dataTransfer.dropEffect = "none";
    else this.dataset.over = "";
  }

  #handleDrop(event) {
    event.preventDefault();
    this.removeAttribute("data-over");
    if (this.file.disabled) return;
    const [file] = event.dataTransfer.files;
    const [link] = event.dataTransfer
      .getData("text/uri-list")
      .split("\n")
      .filter((line) => WEB_ADDRESS.test(line));
    if (file || !link) return this.take(file);
    // Dragged from another page: the provider fetches the link.
    this.clear();
    this.link.value = link.trim();
    this.link.dispatchEvent(new Event("input", { bubbles: true }));
  }

  take(file) {
    if (!file) return this.show();
    const maxBytes = Number(this.dataset.maxBytes);
    // The server decides what is a picture: browsers derive the type from the name, or leave it empty.
    const error =
      file.size > maxBytes && `This picture has ${formatSize(file.size)}; the most is ${formatSize(maxBytes)}.`;
    this.#showError(error);
    this.#stop();
    const transfer = new DataTransfer();
    if (!error) transfer.items.add(file);
    this.file.files = transfer.files;
    if (!error) this.kept.value = "";
    this.show();
    if (!error) this.#upload(file);
  }

  // Only XMLHttpRequest reports the progress of an upload.
  #upload(file, tries = 0) {
    const request = new XMLHttpRequest();
    const bar = this.querySelector("progress");
    const data = new FormData();
    data.set("csrfmiddlewaretoken", this.file.form.elements.csrfmiddlewaretoken.value);
    data.set("image", file);
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      bar.value = loaded / total;
    });
    request.addEventListener("loadend", () => this.#request === request && this.#handleUpload(request, file, tries));
    request.open("POST", this.dataset.uploads);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    this.#request = request;
    this.dataset.uploading = "";
    bar.value = 0;
    bar.hidden = false;
    request.send(data);
  }

  #handleUpload(request, file, tries) {
    const { status, response } = request;
    const wait = Number(request.getResponseHeader("Retry-After"));
    this.#stop();
    if (status === 503 && wait && tries < RETRIES) {
      this.dataset.uploading = "";
      this.#retryTimer = setTimeout(() => this.#upload(file, tries + 1), wait * 1000);
      return;
    }
    if (status === 200 && response?.frame) {
      this.kept.value = response.frame;
      this.file.value = "";
      this.show();
      this.announce("The picture is uploaded.");
    } else if (status === 422) {
      this.#reject(response?.error ?? "This picture cannot be used. Choose another.");
    } else if (status === 413) {
      this.#reject("This picture is too large to be sent. Choose a smaller one.");
    } else {
      this.#showError(
        response?.error ??
          "The picture did not get through. Check the connection; or just go on: it is sent again with the form.",
        { canRetry: true },
      );
    }
  }

  #reject(error) {
    this.file.value = "";
    this.show();
    this.#showError(error);
  }

  #stop() {
    const request = this.#request;
    this.#request = null;
    request?.abort();
    clearTimeout(this.#retryTimer);
    this.removeAttribute("data-uploading");
    this.querySelector("progress").hidden = true;
  }

  #showError(text, { canRetry = false } = {}) {
    const place = this.parentElement.querySelector("[id$=-problem]");
    place.replaceChildren();
    this.file.setAttribute("aria-invalid", String(Boolean(text)));
    if (!text) return;
    const line = Object.assign(document.createElement("p"), { className: "error", textContent: text });
    place.append(line);
    if (canRetry) {
      const button = Object.assign(document.createElement("button"), {
        type: "button",
        className: "link",
        textContent: "Upload again",
      });
      button.addEventListener("click", () => this.take(this.file.files[0]));
      place.append(button);
    }
    this.announce(text);
  }

  clear() {
    this.#stop();
    this.file.value = "";
    this.kept.value = "";
    this.#showError("");
    this.show();
    this.file.focus();
  }

  // Read and set by the pair to swap its two tiles.
  get content() {
    return { file: this.file.files[0], kept: this.kept.value, link: this.link.value };
  }

  set content({ file, kept, link }) {
    this.#stop();
    this.file.value = "";
    this.kept.value = kept;
    this.link.value = link;
    this.#showError("");
    if (file) this.take(file);
    else this.show();
  }

  // Shows the image: the chosen file, or the one that the server keeps.
  show() {
    const [file] = this.file.files;
    let picture = "";
    if (file) picture = URL.createObjectURL(file);
    else if (this.kept.value) picture = `${this.dataset.uploads}${this.kept.value}/`;
    const before = [...this.querySelectorAll("img")];
    const shown = this.#imageUrl;
    const removeBefore = () => {
      for (const image of before) image.remove();
      URL.revokeObjectURL(shown);
    };
    this.#imageUrl = picture;
    if (picture) {
      const image = Object.assign(document.createElement("img"), { src: picture, alt: "" });
      // Until the new image has loaded, the previous one stays visible.
      image.addEventListener("load", removeBefore);
      // A browser may not know the format of a file. A draft may name an image that the server has removed because nobody
      // used it.
      image.addEventListener("error", () => {
        removeBefore();
        if (!image.isConnected || this.file.files.length) return;
        this.kept.value = "";
        this.show();
        this.#showError("This picture is no longer available. Choose it again.");
      });
      this.file.before(image);
    } else removeBefore();
    this.toggleAttribute("data-filled", Boolean(picture));
    this.clearButton.hidden = !picture;
    this.dispatchEvent(new Event("frame", { bubbles: true }));
  }
}

customElements.define("frame-tile", FrameTile);

// The start and the end frame: they can be swapped, and a pasted image goes to the one under the pointer.
import { BaseElement } from "./base-element.js";

const TEXT_FIELDS = "textarea, input:not([type=file], [type=radio], [type=checkbox])";

class FramePair extends BaseElement {
  connect(signal) {
    this.querySelector(".swap").addEventListener("click", () => this.swap(), { signal });
    document.addEventListener("paste", (event) => this.#handlePaste(event), { signal });
  }

  swap() {
    const [first, second] = this.querySelectorAll("frame-tile");
    [first.content, second.content] = [second.content, first.content];
    this.announce("Start and end are swapped.");
  }

  #handlePaste(event) {
    const tile = this.querySelector("frame-tile:hover");
    const [file] = event.clipboardData.files;
    if (document.activeElement?.matches(TEXT_FIELDS) || !tile || !file || tile.file?.disabled) return;
    event.preventDefault();
    tile.take(file);
  }
}

customElements.define("frame-pair", FramePair);

// The two tiles together: they can swap, and a pasted picture goes to the one under the pointer.
class FramePair extends HTMLElement {
  #listening;

  connectedCallback() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    this.querySelector(".swap").addEventListener("click", () => this.swap(), { signal });
    document.addEventListener("paste", (event) => this.#pasted(event), { signal });
  }

  disconnectedCallback() {
    this.#listening.abort();
  }

  swap() {
    const [first, second] = this.querySelectorAll("frame-tile");
    [first.content, second.content] = [second.content, first.content];
    this.dispatchEvent(new CustomEvent("announce", { bubbles: true, detail: "Start and end are swapped." }));
  }

  #pasted(event) {
    const typing = document.activeElement?.matches("textarea, input:not([type=file], [type=radio], [type=checkbox])");
    const tile = this.querySelector("frame-tile:hover");
    const file = [...event.clipboardData.files].find(({ type }) => type.startsWith("image/"));
    if (typing || !tile || !file || tile.file?.disabled) return;
    event.preventDefault();
    tile.take(file);
  }
}

customElements.define("frame-pair", FramePair);

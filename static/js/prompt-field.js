// The prompt: grows with its text, counts near its limit, sends at Ctrl or Cmd and Enter. Ideas fill it.
class PromptField extends HTMLElement {
  #listening;

  connectedCallback() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    this.addEventListener("input", () => this.#measure(), { signal });
    this.addEventListener("keydown", (event) => this.#pressed(event), { signal });
    this.#measure();
  }

  disconnectedCallback() {
    this.#listening.abort();
  }

  #pressed(event) {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    this.closest("form").requestSubmit();
  }

  #measure() {
    const text = this.querySelector("textarea");
    const most = Number(this.dataset.most);
    // Nothing is cut off: what is too long stays and is counted, so that it can be shortened by its writer.
    const length = [...text.value].length;
    const count = this.querySelector(".count");
    count.hidden = length < most * 0.8;
    count.textContent = length > most ? `${(length - most).toLocaleString()} too many` : `${(most - length).toLocaleString()} left`;
    count.toggleAttribute("data-over", length > most);
    if (CSS.supports("field-sizing", "content")) return;
    const lines = text.value.split("\n").reduce((sum, line) => sum + Math.ceil((line.length + 1) / 42), 0);
    text.rows = Math.min(16, Math.max(4, lines));
  }
}

class PromptIdea extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", this);
  }

  disconnectedCallback() {
    this.removeEventListener("click", this);
  }

  handleEvent() {
    const prompt = document.getElementById("prompt");
    prompt.value = this.textContent.trim();
    prompt.dispatchEvent(new Event("input", { bubbles: true }));
    const panel = prompt.closest("compose-panel");
    if (panel?.open) panel.open(this.firstElementChild);
    else prompt.focus();
  }
}

customElements.define("prompt-field", PromptField);
customElements.define("prompt-idea", PromptIdea);

// The player of a video's page: how fast, over and over or once. The browser's own controls do the rest.
class FilmPlayer extends HTMLElement {
  connectedCallback() {
    this.addEventListener("change", this);
  }

  disconnectedCallback() {
    this.removeEventListener("change", this);
  }

  handleEvent({ target }) {
    const video = this.querySelector("video");
    if (target.name === "speed") video.playbackRate = Number(target.value);
    if (target.name === "repeat") video.loop = target.checked;
  }
}

customElements.define("film-player", FilmPlayer);

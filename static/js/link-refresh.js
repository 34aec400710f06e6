// Renews links into an object storage, which are valid for minutes. A browser keeps using the link that it was redirected
// to; after a longer pause this reloads the video, which gets a new link, at the same position.
const lifetime = Number(document.querySelector("meta[name=link-seconds]").content) * 1000;
// Unlike performance.now(), Date.now() advances while the computer sleeps.
const loadedAt = new WeakMap();
const openedAt = Date.now();

function reload(video) {
  const { currentTime, paused } = video;
  const restore = () => {
    video.currentTime = currentTime;
  };
  video.addEventListener("loadedmetadata", restore, { once: true });
  video.load();
  if (!paused) video.play().catch(() => {});
}

function isComplete({ buffered, duration }) {
  return buffered.length === 1 && buffered.start(0) < 0.1 && buffered.end(0) > duration - 0.1;
}

function refresh({ target }) {
  if (!(target instanceof HTMLVideoElement) || !target.hasAttribute("src") || isComplete(target)) return;
  // The browser may have used a redirect from its cache, where it stays for half of the link's life.
  if (Date.now() - (loadedAt.get(target) ?? openedAt) > lifetime / 2) reload(target);
}

document.addEventListener("loadstart", ({ target }) => loadedAt.set(target, Date.now()), { capture: true });
for (const type of ["play", "seeking", "waiting", "error"]) document.addEventListener(type, refresh, { capture: true });

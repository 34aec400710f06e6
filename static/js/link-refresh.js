// Loaded where videos come from a bucket, by links that are good for minutes. A browser goes on asking by the link it was
// led to first; whoever pauses for longer is led there anew, to the same place in the same video.
const life = Number(document.querySelector("meta[name=link-seconds]").content) * 1000;
const begun = new WeakMap(); // by the clock, which goes on while a computer sleeps
const opened = Date.now();

function renew(video) {
  const at = video.currentTime,
    plays = !video.paused;
  video.addEventListener(
    "loadedmetadata",
    () => {
      video.currentTime = at;
    },
    { once: true },
  );
  video.load();
  if (plays) video.play().catch(() => {});
}

function isHere({ buffered, duration }) {
  return buffered.length === 1 && buffered.start(0) < 0.1 && buffered.end(0) > duration - 0.1;
}

document.addEventListener("loadstart", ({ target }) => begun.set(target, Date.now()), { capture: true });
for (const kind of ["play", "seeking", "waiting", "error"]) {
  document.addEventListener(
    kind,
    ({ target }) => {
      if (!(target instanceof HTMLVideoElement) || !target.hasAttribute("src") || isHere(target)) return;
      // A browser may have been led there by an answer it kept, which it does for half of a link's life.
      if (Date.now() - (begun.get(target) ?? opened) > life / 2) renew(target);
    },
    { capture: true },
  );
}

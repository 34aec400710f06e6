// Elements that most visits never see bring their code when they are seen for the first time.
const CODE = {
  "clip-picker": () => import("./clip-picker.js"),
  "copy-button": () => import("./copy-button.js"),
  "film-chain": () => import("./film-chain.js"),
  "film-player": () => import("./film-player.js"),
  "frame-pair": () => import("./frame-pair.js"),
  "frame-tile": () => import("./frame-tile.js"),
  "select-bar": () => import("./select-bar.js"),
};
const NAMES = Object.keys(CODE).join();

// What is not displayed takes no place and meets no viewport: it stays asleep until it is shown.
const seeing = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    seeing.unobserve(target);
    CODE[target.localName]();
  }
});

function attend(root) {
  for (const element of root.querySelectorAll(NAMES)) if (!element.matches(":defined")) seeing.observe(element);
}

new MutationObserver((changes) => {
  for (const { addedNodes } of changes) for (const node of addedNodes) if (node.nodeType === Node.ELEMENT_NODE) attend(node.parentNode ?? node);
}).observe(document.body, { childList: true, subtree: true });
attend(document);

// The keys come with the first sign of somebody being there; a key that was itself this sign is pressed once more.
const SIGNS = ["keydown", "pointermove"];

async function someone(event) {
  for (const sign of SIGNS) removeEventListener(sign, someone);
  await import("./hot-keys.js");
  const plain = event.type === "keydown" && !(event.ctrlKey || event.altKey || event.metaKey);
  if (plain) event.target.dispatchEvent(new KeyboardEvent("keydown", event));
}

for (const sign of SIGNS) addEventListener(sign, someone);

// Elements that most visits never see bring their code when they are seen for the first time.
const CODE = {
  "video-picker": () => import("./video-picker.js"),
  "copy-button": () => import("./copy-button.js"),
  "chain-player": () => import("./chain-player.js"),
  "video-player": () => import("./video-player.js"),
  "filter-list": () => import("./filter-list.js"),
  "frame-pair": () => import("./frame-pair.js"),
  "frame-tile": () => import("./frame-tile.js"),
  "selection-bar": () => import("./selection-bar.js"),
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
  for (const { addedNodes } of changes)
    for (const node of addedNodes) if (node.nodeType === Node.ELEMENT_NODE) attend(node.parentNode ?? node);
}).observe(document.body, { childList: true, subtree: true });
attend(document);

// The keys, the search, and the dialog over the wall, come with the first sign of somebody being there. What was quicker than they
// happens once more: a key is pressed, a card or a button is clicked, a step in the history is told.
const FIRST = ["keydown", "pointermove"];
const SLEEPING = "video-dialog:not(:defined)";
const search = () => import("./search-box.js");
const dialog = () => document.querySelector(SLEEPING) && import("./video-dialog.js");
const plain = (event) => !(event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey);

async function someone(event) {
  for (const sign of FIRST) removeEventListener(sign, someone);
  await Promise.all([import("./keyboard-shortcuts.js"), search(), dialog()]);
  if (event.type === "keydown" && plain(event)) event.target.dispatchEvent(new KeyboardEvent("keydown", event));
}

for (const sign of FIRST) addEventListener(sign, someone);
addEventListener("click", async (event) => {
  if (!plain(event) || event.shiftKey) return;
  const pressed = event.target.closest("a, button");
  const asleep = pressed?.closest("video-picker:not(:defined), copy-button:not(:defined)");
  const card = pressed?.matches(".card-link, .card-prompt a") && document.querySelector(SLEEPING);
  if (!asleep && !card) return;
  event.preventDefault();
  await (asleep ? CODE[asleep.localName]() : dialog());
  pressed.click();
});
addEventListener("popstate", async (event) => {
  const asleep = document.querySelector(`${SLEEPING}, search-box:not(:defined)`);
  if (!asleep) return;
  await Promise.all([search(), dialog()]);
  dispatchEvent(new PopStateEvent("popstate", event));
});

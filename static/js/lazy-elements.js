// Loads the scripts that most visits do not need: with the first sight of their element, the first click on it, or the
// first key or movement of the pointer.
const SCRIPTS = {
  "account-menu": () => import("./account-menu.js"),
  "chain-player": () => import("./chain-player.js"),
  "copy-button": () => import("./copy-button.js"),
  "elapsed-clock": () => import("./elapsed-clock.js"),
  "filter-list": () => import("./filter-list.js"),
  "frame-pair": () => import("./frame-pair.js"),
  "frame-tile": () => import("./frame-tile.js"),
  "selection-bar": () => import("./selection-bar.js"),
  "video-picker": () => import("./video-picker.js"),
  "video-player": () => import("./video-player.js"),
};
const NAMES = Object.keys(SCRIPTS).join();

// An element without display is never seen: elements that wait here must be hidden by visibility.
const sight = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    sight.unobserve(target);
    SCRIPTS[target.localName]();
  }
});

function observe(root) {
  for (const element of root.querySelectorAll(NAMES)) if (!element.matches(":defined")) sight.observe(element);
}

new MutationObserver((changes) => {
  for (const { addedNodes } of changes)
    for (const node of addedNodes) if (node.nodeType === Node.ELEMENT_NODE) observe(node.parentNode ?? node);
}).observe(document.body, { childList: true, subtree: true });
observe(document);

// An event that came before its script is dispatched again once the script is loaded; keys.js keeps the shortcuts.
const FIRST_SIGNS = ["keydown", "pointermove", "shortcuts:wanted"];
const UNDEFINED_DIALOG = "video-dialog:not(:defined)";
const loadSearch = () => import("./search-box.js");
const loadDialog = () => document.querySelector(UNDEFINED_DIALOG) && import("./video-dialog.js");
const isPlain = (event) => !(event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey);
let loadMenu = () => import("./card-menu.js");

function awaitFirstSign() {
  for (const type of FIRST_SIGNS) addEventListener(type, handleFirstSign);
}

async function handleFirstSign(event) {
  for (const type of FIRST_SIGNS) removeEventListener(type, handleFirstSign);
  if (event.type === "shortcuts:wanted") event.preventDefault();
  try {
    await Promise.all([import("./keyboard-shortcuts.js"), loadSearch(), loadDialog()]);
    dispatchEvent(new Event("shortcuts:ready"));
  } catch {
    // The connection was lost: the next key or movement tries again.
    awaitFirstSign();
  }
}

function loaderFor(control) {
  const element = control?.closest("video-picker:not(:defined), copy-button:not(:defined)");
  if (element) return SCRIPTS[element.localName];
  if (control?.matches(".card-link, .card-prompt a") && document.querySelector(UNDEFINED_DIALOG)) return loadDialog;
  return control?.closest("[data-menu]") && document.getElementById("card-menu") ? loadMenu : null;
}

awaitFirstSign();

// In the background, the account menu counts in the title what is ready, and notifies.
document.addEventListener("visibilitychange", SCRIPTS["account-menu"], { once: true });

addEventListener("click", async (event) => {
  if (!isPlain(event) || event.shiftKey) return;
  const control = event.target.closest("a, button");
  const load = loaderFor(control);
  if (!load) return;
  event.preventDefault();
  await load();
  if (load === loadMenu) loadMenu = null;
  control.click();
});

// Scrolls an opened panel into view, unless all of it is in view already.
addEventListener("click", ({ target }) => {
  const panel = target.closest("summary")?.parentElement;
  if (!panel || panel.open) return;
  panel.addEventListener("toggle", () => panel.scrollIntoView({ block: "nearest" }), { once: true });
});

addEventListener("popstate", async (event) => {
  if (!document.querySelector(`${UNDEFINED_DIALOG}, search-box:not(:defined)`)) return;
  await Promise.all([loadSearch(), loadDialog()]);
  dispatchEvent(new PopStateEvent("popstate", event));
});

// Decides which keys are shortcuts, keeps those that are pressed while the page loads, ignores the repeats of a held
// Enter or Escape, and hides unfinished compositions from searches. A classic script in the head: it runs before the page
// is shown.
{
  const TEXT_FIELD =
    "input:not([type=checkbox], [type=radio], [type=range], [type=button], [type=submit]), textarea, select, [contenteditable]";
  // Elements that use some keys themselves.
  const USES_SPACE = "button, summary, input, video[controls], [role=button]";
  const USES_ARROWS = "input, video[controls], [role=menu], pre[tabindex]";
  const MENU = "[popover]:not([popover=manual]):popover-open";
  const LAYER = `${MENU}, dialog:modal`;
  const SHORTCUT = /^(.|Arrow\w+|Delete|Escape)$/u;
  const REPEATABLE = /^(Arrow\w+|[,.])$/;
  const PUNCTUATION = { Comma: ",", Period: ".", Slash: "/" };
  const STALE_MS = 60_000;

  const loaded = new Promise((resolve) => addEventListener("DOMContentLoaded", resolve, { once: true }));
  let isLoaded = false;
  let isPressed = false;

  // The rule of base-element.js, which a classic script cannot import.
  const isComposing = (event) => event.isComposing || event.keyCode === 229;

  // For layouts without Latin letters: returns what the key in this position types on a US keyboard.
  function keyByPlace({ key, code, shiftKey }) {
    if (code.startsWith("Key")) return code.slice(3);
    if (!shiftKey) return PUNCTUATION[code] ?? key;
    return code === "Slash" ? "?" : key;
  }

  function keyOf(event) {
    if (event.key === "Backspace") return "Delete";
    const isForeign = !/^[\p{ASCII}\p{Script=Latin}]+$/u.test(event.key);
    const key = isForeign ? keyByPlace(event) : event.key;
    // Caps Lock must not turn a shortcut into another one.
    if (!/^\p{L}$/u.test(key)) return key;
    return event.shiftKey ? key.toUpperCase() : key.toLowerCase();
  }

  // Whether the focused element leaves this key to the shortcuts.
  function isShortcut({ target, ctrlKey, altKey, metaKey, repeat }, key) {
    if (ctrlKey || altKey || metaKey || !SHORTCUT.test(key)) return false;
    if (repeat && !REPEATABLE.test(key)) return false;
    if (target.closest(TEXT_FIELD)) return false;
    if (key === " " && target.closest(USES_SPACE)) return false;
    return !(key.startsWith("Arrow") && target.closest(USES_ARROWS));
  }

  // Returns whether the key led to its field.
  function focusField(key) {
    const field = document.querySelector(`:is(${TEXT_FIELD})[data-key="${CSS.escape(key)}"]`);
    if (!field?.checkVisibility({ visibilityProperty: true }) || document.querySelector(LAYER)) return false;
    field.focus();
    if (field.type === "search") field.select();
    return field === document.activeElement;
  }

  // Returns whether the browser must ignore the key. Keeps it until keyboard-shortcuts.js, which handles it, is loaded.
  let kept = [];
  function press(key, place, event) {
    if (!kept)
      return !place.dispatchEvent(new CustomEvent("shortcut", { bubbles: true, cancelable: true, detail: key }));
    kept.push({ key, place, event });
    if (key === " ") return place.matches(".card") || Boolean(document.querySelector(".video-page, video-compare"));
    return key.length === 1;
  }

  // Cyrillic and Hebrew layouts type a full stop where others have the slash.
  const focusByPlace = ({ key, code }) => key === "." && code === "Slash" && focusField("/");

  // Handles the kept keys in order. Keys after one that focused a field are text for that field.
  function pressKept() {
    const presses = kept ?? [];
    kept = null;
    let isTyping = false;
    for (const { key, place, event } of presses) {
      if (performance.now() - event.timeStamp > STALE_MS) continue;
      if (isTyping) document.execCommand("insertText", false, event.key.length === 1 ? event.key : "");
      else if (focusField(key)) isTyping = true;
      else if (place.isConnected) isTyping = !press(key, place, event) && focusByPlace(event);
    }
  }

  addEventListener("shortcuts:ready", () => loaded.then(pressKept), { once: true });
  loaded.then(() => {
    isLoaded = true;
    // Nothing answers on pages without lazy-elements.js: there the browser gets the keys.
    if (isPressed && dispatchEvent(new Event("shortcuts:wanted", { cancelable: true }))) kept = null;
  });

  // Keeps a combination from the focused field's aria-keyshortcuts until its script is loaded; returns whether it did.
  function keepCombination(event) {
    const { target, key, ctrlKey, metaKey, altKey } = event;
    const names = [ctrlKey && "Control", metaKey && "Meta", altKey && "Alt", key].filter(Boolean);
    if (isLoaded || names.length < 2) return false;
    if (!target.closest(`[aria-keyshortcuts~="${CSS.escape(names.join("+"))}"]`)) return false;
    loaded.then(() => target.dispatchEvent(new KeyboardEvent("keydown", event)));
    return true;
  }

  // Closes only the menu over a dialog: Firefox would close both. Returns whether there was such a menu.
  function closeMenu() {
    const menu = document.querySelector("dialog:modal") && [...document.querySelectorAll(MENU)].at(-1);
    menu?.hidePopover();
    return Boolean(menu);
  }

  // Runs after all other listeners: a key that they handled is no shortcut.
  addEventListener("keydown", (event) => {
    const { target } = event;
    if (event.defaultPrevented || isComposing(event) || !(target instanceof Element)) return;
    const key = keyOf(event);
    if (key === "Escape" && closeMenu()) event.preventDefault();
    else if (key === "Escape" && target.matches(TEXT_FIELD) && target.dataset.key && !document.querySelector(LAYER)) {
      // Otherwise Chromium clears the search.
      event.preventDefault();
      target.blur();
    } else if (key === "Enter" && target.matches(".select")) {
      // On this checkbox, Enter would press the first button of the selection's form.
      event.preventDefault();
    } else if (isShortcut(event, key)) {
      const place = target.closest(".card") ?? document.querySelector(".card:hover") ?? target;
      if (focusField(key) || press(key, place, event) || focusByPlace(event)) event.preventDefault();
    }
  });

  // Whether the held Enter first broke a line. Otherwise its repeats are ignored: a response may have moved the focus.
  let isWriting = false;

  addEventListener(
    "keydown",
    (event) => {
      const { target, key, ctrlKey, metaKey } = event;
      isPressed = true;
      if (isComposing(event) || !(target instanceof Element)) return;
      const breaksLine = key === "Enter" && !ctrlKey && !metaKey && target.matches("textarea, [contenteditable]");
      if (!event.repeat) {
        if (key === "Enter") isWriting = breaksLine;
        if (keepCombination(event)) event.preventDefault();
      } else if (key === "Escape" || (key === "Enter" && !(isWriting && breaksLine))) {
        event.preventDefault();
        event.stopImmediatePropagation();
      }
    },
    { capture: true },
  );

  // Hide unfinished compositions from live searches. Not on Android, whose keyboards compose every word.
  if (!/Android/.test(navigator.userAgent)) {
    addEventListener("input", (event) => event.isComposing && event.stopImmediatePropagation(), { capture: true });
    addEventListener("compositionstart", ({ target }) => target.toggleAttribute("data-composing", true));
    addEventListener("compositionend", ({ target }) => {
      target.removeAttribute("data-composing");
      // Not every browser sends an input event after this one.
      target.dispatchEvent(new Event("input", { bubbles: true }));
    });
    // Cancel a search whose delay began before the composition.
    addEventListener("htmx:beforeRequest", (event) => {
      const { elt, requestConfig } = event.detail;
      if (requestConfig.verb === "get" && elt.querySelector("[data-composing]")) event.preventDefault();
    });
  }
}

// Keys, before any other script gets them: which ones are shortcuts, those that are pressed while the page loads, held
// keys, and text that is being composed. A classic script in the head: the page is not shown before it runs.
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

  // Safari sends the Enter that ends a composition after its end: only the key code tells.
  const isComposing = (event) => event.isComposing || event.keyCode === 229;

  // What the event's place on a US keyboard types, where the layout has no Latin letters.
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

  // Returns whether keyboard-shortcuts.js did something. Until it is there, the shortcut is kept.
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

  // What was typed after the key of a field that was not there yet is its text.
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
    // Without the script that loads the shortcuts, keys are left to the browser.
    if (isPressed && dispatchEvent(new Event("shortcuts:wanted", { cancelable: true }))) kept = null;
  });

  // Returns whether the focused field has this combination for a script that has yet to load.
  function keepCombination(event) {
    const { target, key, ctrlKey, metaKey, altKey } = event;
    const names = [ctrlKey && "Control", metaKey && "Meta", altKey && "Alt", key].filter(Boolean);
    if (isLoaded || names.length < 2) return false;
    if (!target.closest(`[aria-keyshortcuts~="${CSS.escape(names.join("+"))}"]`)) return false;
    loaded.then(() => target.dispatchEvent(new KeyboardEvent("keydown", event)));
    return true;
  }

  // Firefox would close the dialog below the menu too. Returns whether there was a menu over a dialog.
  function closeMenu() {
    const menu = document.querySelector("dialog:modal") && [...document.querySelectorAll(MENU)].at(-1);
    menu?.hidePopover();
    return Boolean(menu);
  }

  // After all other listeners: what they handled is no shortcut.
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
      // It would press the first button of the selection's form.
      event.preventDefault();
    } else if (isShortcut(event, key)) {
      const place = target.closest(".card") ?? document.querySelector(".card:hover") ?? target;
      if (focusField(key) || press(key, place, event) || focusByPlace(event)) event.preventDefault();
    }
  });

  // Whether the press of a held Enter broke a line. Otherwise its repeats do nothing: the answer may have moved the focus.
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

  // What is being composed is not typed yet: nothing searches for it. Android's keyboards compose every word.
  if (!/Android/.test(navigator.userAgent)) {
    addEventListener("input", (event) => event.isComposing && event.stopImmediatePropagation(), { capture: true });
    addEventListener("compositionstart", ({ target }) => target.toggleAttribute("data-composing", true));
    addEventListener("compositionend", ({ target }) => {
      target.removeAttribute("data-composing");
      // Not every browser sends an event after this one.
      target.dispatchEvent(new Event("input", { bubbles: true }));
    });
    // A search that began to wait before the composition.
    addEventListener("htmx:beforeRequest", (event) => {
      const { elt, requestConfig } = event.detail;
      if (requestConfig.verb === "get" && elt.querySelector("[data-composing]")) event.preventDefault();
    });
  }
}

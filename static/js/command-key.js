// Opens the command menu with Ctrl+K or ⌘K, and from the account menu. Shows its field at once, so that no text is lost
// while command-menu.js loads. A classic script in the head, like keys.js: otherwise the browser would handle the key
// while the page loads.
{
  const isMac = /Mac|iP/.test(navigator.platform);

  // The rule of base-element.js, which a classic script cannot import.
  const isComposing = (event) => event.isComposing || event.keyCode === 229;

  // On keyboards without Latin letters, the position counts. On a Mac, Ctrl+K deletes the rest of a line in a field.
  function isCommandKey(event) {
    const { key, code, ctrlKey, metaKey, altKey, shiftKey, repeat } = event;
    if (!(metaKey || (ctrlKey && !isMac)) || altKey || shiftKey || repeat || isComposing(event)) return false;
    return key.toLowerCase() === "k" || (code === "KeyK" && !/^[a-z]$/i.test(key));
  }

  function toggle(link) {
    const open = document.getElementById("commands");
    if (open) return open.close();
    const dialog = Object.assign(document.createElement("dialog"), { id: "commands", className: "commands" });
    dialog.style.opacity = 0;
    dialog.append(document.createElement("input"));
    // An Enter before the list is loaded chooses the first option once it is.
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !isComposing(event)) dialog.dataset.enter = "";
    });
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    import("./command-menu.js").then(
      ({ fill }) => fill(dialog, link),
      () => location.assign(link.href),
    );
  }

  const getLink = () => document.querySelector("a[data-commands]");

  addEventListener(
    "keydown",
    (event) => {
      if (!isCommandKey(event)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      if (getLink()) toggle(getLink());
      else addEventListener("DOMContentLoaded", () => getLink() && toggle(getLink()), { once: true });
    },
    { capture: true },
  );

  addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-commands]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    toggle(link);
  });
}

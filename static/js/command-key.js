// Opens the command menu with Ctrl+K or ⌘K, and from the account menu. The field is there at once, so that nothing
// typed is lost while the script of the menu is on the way. A classic script in the head, like keys.js: the browser
// must not get the key of a page that is still loading.
{
  const isMac = /Mac|iP/.test(navigator.platform);

  // Safari sends the Enter that ends a composition after its end.
  const isComposing = (event) => event.isComposing || event.keyCode === 229;

  // By its place on a keyboard without Latin letters. On a Mac, Ctrl+K deletes the rest of a line in a text field.
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
    // Pressed before there is a list: its first option is chosen once there is.
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

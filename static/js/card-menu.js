// The menu of a card. All cards share one popover, which is filled when it opens. Loaded with the first click.
let opener = null;

const getMenu = () => document.getElementById("card-menu");

// Anchors the menu to the button with this address: an update may have replaced the card since the click.
function anchorTo(address) {
  if (opener) opener.style.anchorName = "";
  opener = document.querySelector(`[data-menu="${address}"]`);
  if (opener) opener.style.anchorName = "--card-menu";
  return Boolean(opener);
}

// The browser restores the focus only if the element that had it is still there.
function restoreFocus() {
  const { activeElement } = document;
  if (activeElement === document.body || activeElement?.closest("#card-menu")) opener?.focus({ preventScroll: true });
}

async function open(address, menu) {
  menu.replaceChildren();
  await window.htmx.ajax("GET", address, { target: menu, swap: "innerHTML" });
  if (!anchorTo(address)) return;
  menu.showPopover({ source: opener });
  menu.addEventListener("beforetoggle", ({ newState }) => newState === "closed" && setTimeout(restoreFocus), {
    once: true,
  });
  menu.querySelector("a, button")?.focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  const menu = getMenu();
  const isPlain = !(event.ctrlKey || event.metaKey || event.shiftKey);
  const share = event.target.closest("#card-menu [data-share]");
  if (share && isPlain) {
    event.preventDefault();
    import("./share-dialog.js").then(({ openShareDialog }) => openShareDialog("GET", share.href));
  }
  if (event.target.closest("#card-menu .menu-item:not(summary)")) menu.hidePopover();
  const address = event.target.closest("[data-menu]")?.dataset.menu;
  if (!address || !menu || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  open(address, menu);
});

document.addEventListener("htmx:oobAfterSwap", () => {
  const menu = getMenu();
  if (menu?.matches(":popover-open") && !opener.isConnected && !anchorTo(opener.dataset.menu)) menu.hidePopover();
});

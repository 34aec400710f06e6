// A dialog that shares a video or the selected ones. Loaded and created with its first use.
import { stylesheetsLoaded } from "./stylesheets.js";

let dialog = null;

function create() {
  dialog = document.createElement("dialog");
  dialog.id = "share-dialog";
  dialog.className = "dialog share-panel";
  dialog.setAttribute("aria-labelledby", "share-dialog-head");
  dialog.addEventListener("click", ({ target }) => {
    if (target === dialog || target.closest("[data-close]")) dialog.close();
  });
  // A panel of the video's page uses the same ids.
  dialog.addEventListener("close", () => {
    document.body.append(...dialog.querySelectorAll("#announcer, #toasts"));
    dialog.replaceChildren();
  });
  document.body.append(dialog);
}

// Opens the dialog with the content of this address. `source`: the form that is sent with a POST.
export async function openShareDialog(method, address, source = document.body) {
  if (!dialog?.isConnected) create();
  await window.htmx.ajax(method, address, { source, target: dialog, swap: "innerHTML" });
  await stylesheetsLoaded(dialog);
  if (dialog.open || !dialog.firstElementChild) return;
  // Nothing outside an open modal dialog is read out or can be clicked.
  dialog.append(...document.querySelectorAll("#announcer, #toasts"));
  dialog.showModal();
}

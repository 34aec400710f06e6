// Controls that cost (data-paid) submit once per press; keys.js stops the repeats of a held key. In a textarea, Ctrl or
// Cmd and Enter presses such a button.
import { isComposing } from "./base-element.js";

const DOUBLE_CLICK_MS = 500;
const FINGER_PX = 40;

addEventListener("keydown", (event) => {
  const { target, key, ctrlKey, metaKey } = event;
  if (key !== "Enter" || !(ctrlKey || metaKey) || isComposing(event)) return;
  if (!(target instanceof Element && target.matches("textarea[data-paid]"))) return;
  event.preventDefault();
  target.form.requestSubmit(target.form.querySelector("button[data-paid]"));
});

// The second click of a double click may meet another control, since the answer moves them.
let last = { at: -Infinity, x: 0, y: 0 };

function isSecond({ detail, pointerType, timeStamp, clientX, clientY }) {
  const near = timeStamp - last.at < DOUBLE_CLICK_MS && Math.hypot(clientX - last.x, clientY - last.y) < FINGER_PX;
  last = { at: timeStamp, x: clientX, y: clientY };
  // Touch screens count every tap as the first.
  return detail > 1 || (pointerType === "touch" && near);
}

addEventListener(
  "click",
  (event) => {
    if (!event.target.closest?.("button[data-paid]") || !isSecond(event)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  },
  { capture: true },
);

// htmx processes new content only after a delay. A form that is submitted before that would leave the page.
for (const swapped of ["htmx:afterSwap", "htmx:oobAfterSwap"])
  addEventListener(swapped, ({ target }) => window.htmx.process(target));

// Controls that cost (data-paid) submit once per press. In a textarea, Ctrl or Cmd and Enter presses such a button.
// Space needs nothing: browsers click when it is released.
const DOUBLE_CLICK_MS = 500;
const FINGER_PX = 40;
// Enter in these presses the first submit button of their form.
const FIELD = "input:not([type=button], [type=submit], [type=reset], [type=file], [type=image])";

// Safari sends the Enter that ends a composition after its end: only the key code tells.
const isComposing = (event) => event.isComposing || event.keyCode === 229;

// Whether Enter presses a control that costs.
function costs({ target, ctrlKey, metaKey }) {
  if (target.matches("textarea[data-paid]")) return ctrlKey || metaKey;
  if (target.matches(FIELD)) return Boolean(target.form?.querySelector("[type=submit]")?.matches("[data-paid]"));
  return target.matches("button[data-paid]");
}

// Whether the held Enter has pressed one. Then its repeats press nothing: the answer may have moved the focus.
let spent = false;

addEventListener(
  "keydown",
  (event) => {
    if (event.key !== "Enter" || isComposing(event) || !(event.target instanceof Element)) return;
    const paid = costs(event);
    if (event.repeat) {
      if (!paid && !spent) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    spent = paid;
    if (!paid || !event.target.matches("textarea")) return;
    event.preventDefault();
    const { form } = event.target;
    form.requestSubmit(form.querySelector("button[data-paid]"));
  },
  { capture: true },
);

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

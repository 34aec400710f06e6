// Controls that cost (data-paid) submit once per press, on every page. A button is pressed by Enter, Space, a click or a
// tap; a textarea by Ctrl or Cmd and Enter, which presses the first such button of its form.
// Space needs nothing: browsers click when it is released, once, however long it is held.
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

// Whether the Enter that is held has pressed such a control. Then its repeats press nothing else either: the answer may
// have moved the focus to a link.
let spent = false;

addEventListener("keydown", (event) => {
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
}, { capture: true });

// The second click of a double click may meet another control than the first, since the answer moves them.
let last = { at: -Infinity, x: 0, y: 0 };

function isSecond({ detail, pointerType, timeStamp, clientX, clientY }) {
  const near = timeStamp - last.at < DOUBLE_CLICK_MS && Math.hypot(clientX - last.x, clientY - last.y) < FINGER_PX;
  last = { at: timeStamp, x: clientX, y: clientY };
  // Touch screens count every tap as the first.
  return detail > 1 || (pointerType === "touch" && near);
}

addEventListener("click", (event) => {
  if (!event.target.closest?.("button[data-paid]") || !isSecond(event)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, { capture: true });

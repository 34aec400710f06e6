// Fills the form from a video, for controls with data-use: its settings, its prompt, a frame of it, or to extend it.
// Loaded when first used.
import { CHANGE_TIMEOUT_MS } from "./form-turns.js";

const MESSAGES = {
  prompt: "The prompt is in the form.",
  start: "Used as the start frame.",
  end: "Used as the end frame.",
  new: "Used as the start frame of a new video.",
  extend: "The form is set up to extend it.",
  source: "Describe how it goes on.",
};

export async function useVideo(videoForm, control, body, submitter) {
  const { use } = control.dataset;
  const fill = await load(videoForm, control, body, submitter);
  if (!fill) return;
  // What was typed meanwhile comes back with Undo too.
  const before = videoForm.values;
  fill();
  document.dispatchEvent(new CustomEvent("form:filled"));
  videoForm.save();
  const isFrame = use === "start" || use === "end";
  videoForm.focusField(isFrame ? videoForm.form.elements[`${use}_image`] : undefined);
  const message = MESSAGES[use] ?? "All its settings are in the form.";
  videoForm.toast(message, { undo: () => videoForm.restore(before) });
}

// Returns a function that fills the form, or null after showing an error.
async function load(videoForm, control, body, submitter) {
  const { use, ratio } = control.dataset;
  if (control.matches(".prompt-option")) return () => videoForm.fill({ prompt: control.textContent });
  if (control.matches("form")) {
    const result = await extractFrame(videoForm, control.action, body, submitter);
    return (
      result &&
      (() => (use === "new" ? startFromFrame(videoForm, result.frame, ratio) : fillFrame(videoForm, use, result.frame)))
    );
  }
  const form = await videoForm.fetchForm(control.href);
  if (form) return () => fillFromForm(videoForm, use, form);
  videoForm.showError("That did not work: the video may be gone. Reload the page.");
  return null;
}

function fillFrame(videoForm, side, frame) {
  const isExtension = side === "end" && videoForm.values.mode === "extend";
  setFrame(videoForm, side, frame);
  videoForm.fill({ mode: isExtension ? "extend" : "frames" });
}

// Unlike a start frame for the video in the form, a new video has its own shape and no end frame yet.
function startFromFrame(videoForm, frame, ratio) {
  setFrame(videoForm, "start", frame);
  setFrame(videoForm, "end", "");
  videoForm.fill({ mode: "frames", aspect_ratio: ratio });
}

function setFrame(videoForm, side, frame) {
  videoForm.fill({ [`${side}_frame`]: frame, [`${side}_image_url`]: "" });
  // A file that was chosen before, and may still be uploading, would replace this frame.
  const tile = videoForm.form.elements[`${side}_image`].closest("frame-tile");
  if (tile.matches(":defined")) tile.content = { kept: frame, link: "" };
}

function fillFromForm(videoForm, use, form) {
  // In a form that waits for a video to extend, Extend on a card chooses it.
  const isAwaited = use === "extend" && videoForm.values.mode === "extend" && !videoForm.values.source;
  if (use === "source" || isAwaited) {
    videoForm.replaceSource(form);
    videoForm.fill({ mode: "extend" });
  } else if (use === "prompt") videoForm.fill({ prompt: form.elements.prompt.value });
  else videoForm.replaceForm(form);
}

async function extractFrame(videoForm, url, body, submitter) {
  submitter?.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(url, {
      method: "POST",
      body,
      headers: { Accept: "application/json" },
      signal: AbortSignal.timeout(CHANGE_TIMEOUT_MS),
    });
    if (response.status === 404) {
      videoForm.showError("This video was moved to the trash or deleted. Reload the page.");
      return null;
    }
    const result = await response.json();
    if (response.ok) return result;
    videoForm.showError(result.error);
  } catch {
    videoForm.showError("The picture could not be taken from the video. Try again in a moment.");
  } finally {
    submitter?.removeAttribute("aria-busy");
  }
  return null;
}

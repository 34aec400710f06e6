"""What can go wrong here, on demand (a mark in the prompt) or by chance (SANDBOX_FAULTS)."""

import random

from .canned_responses import AMBIGUOUS, ANSWER_MARK, BEFORE, REFUSED

TASKS = {
    "fail": "the task ends as failed with api_error",
    "cancel": "the task ends with a final word such as `cancelled` in its state, and no error",
    "slow": "the video takes five times the usual time",
    "transient": "errors as bare strings while it runs, in look-ups and one callback; then success",
    "bare": "while it runs, look-ups have no response, an empty one or null",
    "sparse": "the result has no state, no success and no thumbnail, and sizes as floats",
    "poison": "the first five look-ups that name the task, alone or in a batch, answer 500 api_error",
}
ANSWERS = {
    "hang": "accepted, runs, and the POST is never answered",
    "drop": "accepted, runs, and the connection is cut instead of an answer",
    "equal_id": "accepted, runs, and the answer names the task id of the account's request before it",
    "outage": "not accepted; the provider is away for ten seconds: no connection, 502 or 503",
}
CALLBACKS = {
    "lost": "the callback never comes",
    "twice": "the callback comes twice",
    "early": "the callback comes before the answer to the POST",
    "late": "the callback comes long after the task is finished",
    "forged": "a stranger's callbacks come too: to a wrong address, and (once the POST was answered) of another task",
    "forged_failure": "a stranger's callback says first that another task failed",
    "wrong_task": "the callback names another task than the answer",
    "badly_signed": "the signature of the callback, where a callback_secret was sent, is wrong",
}
BAD_DOWNLOADS = {
    "half": "the first two fetches of the video get half the file, whole by its length",
    "cut": "the first two fetches of the video are cut in the middle",
    "empty": "the first two fetches of the video get an empty file",
    "webpage": "the first two fetches of the video get an HTML page with status 200",
    "login": "the first two fetches of the video are redirected to a login page",
    "wrong_kind": "the first two fetches of the video get a picture",
}
MEDIA = BAD_DOWNLOADS | {
    "forbid_media": "links to the finished video answer 403 for the first 15 seconds",
    "stale_link": "the first link given to the video answers 404; every later look-up gives one that works",
    "foreign_host": "the first link given to the video is at another host; every later look-up gives one that works",
    "slow_thumbnail": "the thumbnail comes at one byte a second",
    "no_thumbnail": "the link to the thumbnail answers 404",
}
LOOKUPS = {
    "lookup": "a call of /luma/tasks is answered 500 api_error",
    "lookup_no_api": "a call of /luma/tasks is answered 404 no_api",
    "lookup_limit": "a call of /luma/tasks is answered 429 with Retry-After",
    "lookup_page": "a call of /luma/tasks is answered 404 with an HTML page",
}
LISTING = {"no_listing": "retrieve_batch without ids is answered 400 api_not_implemented"}
UPLOADS = {
    "no_upload": "an upload is answered 404 no_api",
    "upload_forbidden": "an upload is answered 403 forbidden",
    "upload_shape": "an upload is answered 200 with a document that holds no link",
}
BY_CHANCE_ONLY = LOOKUPS | LISTING | UPLOADS
SECTIONS = {
    "not accepted": {name: reply.text for name, reply in REFUSED.items()},
    "accepted, or by chance half of them not": {name: reply.text for name, reply in AMBIGUOUS.items()},
    "the answer": ANSWERS,
    "the task": TASKS,
    "the callback": CALLBACKS,
    "the media": MEDIA,
    "look-ups and uploads, by chance only": BY_CHANCE_ONLY,
}
FAULTS = {name: text for section in SECTIONS.values() for name, text in section.items()}


def parse_faults(text: str) -> dict[str, float]:
    """Read "lost=0.1,twice=0.05"; ValueError names the part that is wrong."""
    chances = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, value = part.partition("=")
        try:
            chance = float(value)
        except ValueError:
            chance = -1
        if name.strip() not in FAULTS or not 0 <= chance <= 1:
            raise ValueError(f"{part!r} is not name=probability with a name out of: {', '.join(FAULTS)}")
        chances[name.strip()] = chance
    return chances


def draw_faults(prompt: str, chances: dict[str, float], rng: random.Random) -> frozenset[str]:
    """Decide once, when a request comes in, everything that will go wrong with it."""
    words = prompt.lower()
    happening = {name for name in FAULTS if name not in BY_CHANCE_ONLY and f"[{name}]" in words}
    happening |= {mark[0].strip("[]") for mark in ANSWER_MARK.finditer(words)}
    for name, chance in chances.items():
        if name in happening or name in BY_CHANCE_ONLY or rng.random() >= chance:
            continue
        happening.add(name + BEFORE if name in AMBIGUOUS and rng.random() < 0.5 else name)
    return frozenset(happening)


def draw_one(names: dict[str, str], chances: dict[str, float], rng: random.Random) -> str:
    """Decide which fault of a group happens to one call; "" for none."""
    return next((name for name in names if rng.random() < chances.get(name, 0)), "")

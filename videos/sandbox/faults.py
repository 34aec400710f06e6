"""Everything that can go wrong, on request (`[name]` in a prompt) or by chance (SANDBOX_FAULTS)."""

import random

from .canned_responses import AMBIGUOUS, BEFORE_SUFFIX, REJECTED, RESPONSE_MARK

TASKS = {
    "fail": "the task ends as failed with api_error",
    "cancel": "the task ends in a state such as `cancelled`, without an error",
    "slow": "the video takes five times the usual time",
    "transient": "errors as plain strings while it runs, in look-ups and one callback; then success",
    "bare": "while it runs, look-ups have no response, an empty one or null",
    "sparse": "the result has no state, no success and no thumbnail, and sizes as floats",
    "poison": "the first five look-ups of the task, alone or in a batch, answer 500 api_error",
}
RESPONSES = {
    "hang": "accepted, runs, and the POST is never answered",
    "drop": "accepted, runs, and the connection is cut instead of an answer",
    "equal_id": "accepted, runs, and the answer names the account's previous task",
    "outage": "not accepted; the provider is down for ten seconds: no connection, 502 or 503",
}
CALLBACKS = {
    "lost": "the callback never comes",
    "twice": "the callback comes twice",
    "early": "the callback comes before the answer to the POST",
    "late": "the callback comes long after the task is finished",
    "forged": "forged callbacks too: to a wrong URL, and (after the answer to the POST) for another task",
    "forged_failure": "a forged callback comes first and says that another task failed",
    "wrong_task": "the callback names another task than the answer",
    "badly_signed": "the signature of the callback, where a callback_secret was sent, is wrong",
}
DAMAGED_DOWNLOADS = {
    "half": "the first two fetches of the video get half the file, with a matching Content-Length",
    "cut": "the first two fetches of the video are cut in the middle",
    "empty": "the first two fetches of the video get an empty file",
    "webpage": "the first two fetches of the video get an HTML page with status 200",
    "login": "the first two fetches of the video are redirected to a login page",
    "wrong_kind": "the first two fetches of the video get a picture",
}
MEDIA = DAMAGED_DOWNLOADS | {
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
    "upload_shape": "an upload is answered 200 with JSON that has no link",
}
BY_CHANCE_ONLY = LOOKUPS | LISTING | UPLOADS
SECTIONS = {
    "not accepted": {name: response.help for name, response in REJECTED.items()},
    "accepted, or by chance half of them not": {name: response.help for name, response in AMBIGUOUS.items()},
    "the answer": RESPONSES,
    "the task": TASKS,
    "the callback": CALLBACKS,
    "the media": MEDIA,
    "look-ups and uploads, by chance only": BY_CHANCE_ONLY,
}
FAULTS = tuple(name for section in SECTIONS.values() for name in section)


def parse_faults(text: str) -> dict[str, float]:
    """Parse "lost=0.1,twice=0.05" to probabilities; raise ValueError for the part that is wrong."""
    chances = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
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
    """Choose every fault of a request, once, when it arrives."""
    text = prompt.lower()
    drawn = {name for name in FAULTS if name not in BY_CHANCE_ONLY and f"[{name}]" in text}
    drawn |= {mark[0].strip("[]") for mark in RESPONSE_MARK.finditer(text)}
    for name, chance in chances.items():
        if name in drawn or name in BY_CHANCE_ONLY or rng.random() >= chance:
            continue
        drawn.add(name + BEFORE_SUFFIX if name in AMBIGUOUS and rng.random() < 0.5 else name)
    return frozenset(drawn)


def draw_fault(group: dict[str, str], chances: dict[str, float], rng: random.Random) -> str:
    """Choose which fault of a group one call gets; "" for none."""
    return next((name for name in group if rng.random() < chances.get(name, 0)), "")

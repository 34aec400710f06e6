"""What can go wrong here, on demand (a mark in the prompt) or by chance (SANDBOX_FAULTS)."""

import random

FAULTS = {
    "refuse": "403 forbidden at once, nothing is accepted",
    "limit": "429 too_many_requests with Retry-After, nothing is accepted",
    "gateway": "502 with an HTML page; by chance half of these were accepted, as a mark all are",
    "error": "500 api_error, but the task was accepted and runs",
    "hang": "accepted, runs, and the POST is never answered",
    "drop": "accepted, runs, and the connection is cut instead of an answer",
    "fail": "the task ends as failed with api_error",
    "slow": "the video takes five times the usual time",
    "lost": "the callback never comes",
    "twice": "the callback comes twice",
    "early": "the callback comes before the answer to the POST",
    "late": "the callback comes long after the task is finished",
    "forged": "someone else's callbacks come too: wrong address, and (once the POST was answered) wrong task",
    "forbid_media": "links to the finished video answer 403 for the first 15 seconds",
    "lookup": "a question to /luma/tasks is answered 500 api_error (by chance only)",
}
BY_CHANCE_ONLY = frozenset({"lookup"})
UNACCEPTED_GATEWAY = "gateway-before"  # a gateway that answered before the request reached us


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
    for name, chance in chances.items():
        if name in happening or name in BY_CHANCE_ONLY or rng.random() >= chance:
            continue
        happening.add(UNACCEPTED_GATEWAY if name == "gateway" and rng.random() < 0.5 else name)
    return frozenset(happening)

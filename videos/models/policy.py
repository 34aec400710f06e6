"""What follows from each thing that can happen to a POST: the one table.

`becomes`: the generation's next state. `token`: what becomes of the token that was used: "" nothing, "rest" it is not
used for a while, or the Health it is taken out with. `title`, `text`, `who`: what the member reads; `admin`: what an
admin reads besides, also as the token's last error. `again`: when it is tried again by itself, "" never; the end of it
is a day after it was asked for (`too_late`). `row_waits`: not at once, though the token does not rest. `docs/policy.md`
is this table, written by `manage.py policy`.
"""

from dataclasses import dataclass

from .. import provider
from .token import Health

QUEUED, FAILED, UNCONFIRMED = "queued", "failed", "unconfirmed"

MEMBER, ADMIN, NOBODY = "You can mend this.", "An admin has to mend this.", ""


@dataclass(frozen=True, slots=True)
class Rule:
    becomes: str
    token: str
    title: str
    text: str
    who: str = NOBODY
    admin: str = ""
    again: str = ""
    row_waits: bool = False


NOTHING_CHARGED = "Nothing was charged."
MAYBE_CHARGED = "It may have been started and charged. We keep listening for it and never send it twice by ourselves."

# When.
NEXT_TOKEN = "at once with the next token, or when an admin has mended this one"
WHEN_RESTED = (
    "at once with the next token, or when this one has rested: as long as the provider says, or up to a minute"
)
AFTER_A_WAIT = "as long after as the provider says, or after up to a minute"

# What an admin does.
LOOK_IT_UP = "Look for it in the provider's console before anybody retries; if it is there, adopt it by its task id."
NEW_TOKEN = "enter another in the admin."


# By the provider's code, or by one of our own (the second half). Source of the first half: the Luma videos contract.
POST = {
    "bad_request": Rule(
        FAILED,
        "",
        "The request was not accepted",
        f"The provider could not use it. {NOTHING_CHARGED}",
        MEMBER,
        "The provider found the payload not valid. If members cannot see why, its words tell.",
    ),
    "token_mismatched": Rule(
        QUEUED,
        Health.INVALID,
        "The API token is for another service",
        "It waits for another token.",
        ADMIN,
        "This token does not belong to the Luma videos API: acquire that service, or " + NEW_TOKEN,
        NEXT_TOKEN,
    ),
    "api_not_implemented": Rule(
        FAILED,
        "",
        "The provider has no such operation",
        f"It cannot do this. {NOTHING_CHARGED}",
        NOBODY,
        "The provider does not know this operation: check the token's provider address, or update Lumaweb.",
    ),
    "invalid_token": Rule(
        QUEUED,
        Health.INVALID,
        "The API token is not valid",
        "It waits for another token.",
        ADMIN,
        "The provider does not accept this token: " + NEW_TOKEN,
        NEXT_TOKEN,
    ),
    "token_expired": Rule(
        QUEUED,
        Health.INVALID,
        "The API token has expired",
        "It waits for another token.",
        ADMIN,
        "This token has expired: " + NEW_TOKEN,
        NEXT_TOKEN,
    ),
    "no_token": Rule(
        QUEUED,
        Health.INVALID,
        "The API token is missing",
        "It waits for another token.",
        ADMIN,
        "The provider saw no token: a proxy in between may remove it; otherwise " + NEW_TOKEN,
        NEXT_TOKEN,
    ),
    "forbidden": Rule(
        FAILED,
        "",
        "Refused by moderation",
        f"The provider found the prompt or a frame against its standards. {NOTHING_CHARGED}",
        MEMBER,
        "Moderation refused the prompt or a frame. The token is fine.",
    ),
    "used_up": Rule(
        QUEUED,
        Health.USED_UP,
        "The balance is used up",
        "It waits until there is credit again.",
        ADMIN,
        "The balance behind this token is spent: top it up and mark the token as healthy, or add another.",
        NEXT_TOKEN,
    ),
    "disabled": Rule(
        QUEUED,
        Health.INVALID,
        "The provider switched this off",
        "It waits for another token.",
        ADMIN,
        "The provider disabled this service for the account: ask there, then mark the token as healthy.",
        NEXT_TOKEN,
    ),
    "too_many_requests": Rule(
        QUEUED,
        "rest",
        "The provider is busy",
        "It is sent as soon as there is room.",
        NOBODY,
        "The provider's rate limit. If it comes often, let fewer videos be made at the same time.",
        WHEN_RESTED,
    ),
    "api_error": Rule(
        UNCONFIRMED,
        "",
        "The provider had an error",
        MAYBE_CHARGED,
        NOBODY,
        "The provider failed while it took the request. " + LOOK_IT_UP,
    ),
    "timeout": Rule(
        UNCONFIRMED,
        "",
        "The provider took too long to answer",
        MAYBE_CHARGED,
        NOBODY,
        "The provider's gateway gave up waiting. " + LOOK_IT_UP,
    ),
    # Ours: what the wire did, and what could not be sent at all.
    "not_sent": Rule(
        QUEUED,
        "rest",
        "The provider cannot be reached",
        "It is sent as soon as it can be.",
        NOBODY,
        "No connection to the provider could be made: check the network, its address, and its status page.",
        WHEN_RESTED,
    ),
    "no_answer": Rule(
        UNCONFIRMED,
        "",
        "No answer yet",
        MAYBE_CHARGED,
        NOBODY,
        "The connection was cut, or timed out, after the request went out. " + LOOK_IT_UP,
    ),
    "unreadable": Rule(
        UNCONFIRMED,
        "",
        "The answer made no sense",
        MAYBE_CHARGED,
        NOBODY,
        "The answer was not what the provider promises; a proxy in between may have given it. " + LOOK_IT_UP,
    ),
    "interrupted": Rule(
        UNCONFIRMED,
        "",
        "Interrupted while sending",
        MAYBE_CHARGED,
        NOBODY,
        "Our own worker stopped while it was sending. " + LOOK_IT_UP,
    ),
    "storage_down": Rule(
        QUEUED,
        "",
        "Waiting for the database",
        f"Lumaweb could not prepare it. {NOTHING_CHARGED}",
        NOBODY,
        "The database was locked, full or away between the claim and the request: see the log.",
        "as soon as the database works",
    ),
    "token_unreadable": Rule(
        QUEUED,
        Health.INVALID,
        "The stored API token cannot be opened",
        "It waits for another token.",
        ADMIN,
        "The encryption keys do not open this token: put its key back into LUMAWEB_ENCRYPTION_KEYS, or enter it again.",
        NEXT_TOKEN,
    ),
    "source_gone": Rule(
        FAILED,
        "",
        "The clip to extend cannot be reached",
        "Neither its id nor its link works for the provider, and it cannot fetch our saved copy. " + NOTHING_CHARGED,
        ADMIN,
        "With LUMAWEB_PUBLIC_URL set, the provider could fetch our saved copy of the clip.",
    ),
    "frame_gone": Rule(
        FAILED,
        "",
        "A frame was deleted",
        f"The picture was deleted for good before this was sent. {NOTHING_CHARGED}",
        MEMBER,
        "Its last video was deleted for good while this one waited.",
    ),
    "upload_refused": Rule(
        FAILED,
        "",
        "The provider refused the frame",
        f"It took no uploaded picture. Give a link to the picture instead. {NOTHING_CHARGED}",
        MEMBER,
        "The provider's file upload refused it. With LUMAWEB_PUBLIC_URL set, the provider fetches frames from here.",
    ),
    "upload_too_large": Rule(
        FAILED,
        "",
        "The frame is too large",
        f"The provider takes pictures of up to 25 MB. Choose a smaller one. {NOTHING_CHARGED}",
        MEMBER,
        "The provider's file upload found the picture too large.",
    ),
    "upload_failed": Rule(
        QUEUED,
        "",
        "The frame could not be uploaded yet",
        "It is sent as soon as the provider takes the frame.",
        NOBODY,
        "The provider's file upload did not answer: check the network, its address, and its status page.",
        AFTER_A_WAIT,
        row_waits=True,
    ),
    "too_late": Rule(
        FAILED,
        "",
        "Never sent",
        f"The provider could not be reached for a whole day. {NOTHING_CHARGED}",
        MEMBER,
        "No token could send it for a day; the tokens' last errors say why.",
    ),
}

# The other generation of the provider's documentation has these words for the same.
for other, code in {
    "invalid_request": "bad_request",
    "request_too_large": "bad_request",
    "content_too_large": "bad_request",
    "task_not_found": "bad_request",
    "no_api": "api_not_implemented",
    "unauthorized": "invalid_token",
    "content_moderation": "forbidden",
    "insufficient_balance": "used_up",
    "not_applied": "disabled",
    "rate_limited": "too_many_requests",
    "busy": "too_many_requests",
    "upstream_error": "api_error",
    "upstream_timeout": "timeout",
}.items():
    POST[other] = POST[code]

# What a task that was accepted can end with, where the words differ from those above.
TASK = {
    "api_error": Rule(
        FAILED,
        "",
        "The provider failed to make it",
        "It reported an error of its own.",
        MEMBER,
        "The task failed at the provider. Its console shows whether it was charged.",
    ),
    "timeout": Rule(
        FAILED,
        "",
        "The provider gave up",
        "Making it took longer than the timeout allows.",
        MEMBER,
        "The task ran into its timeout at the provider. Its console shows whether it was charged.",
    ),
    "overdue": Rule(
        FAILED,
        "",
        "No result came",
        "The provider never reported an end. If it still does, the video appears here.",
        NOBODY,
        "Neither a callback nor a look-up told of an end. The provider's console may, by the task id.",
    ),
    "dismissed": Rule(
        FAILED,
        "",
        "Dismissed",
        "If the video comes after all, it appears here.",
        NOBODY,
        "A member stopped waiting. It may have been charged.",
    ),
}

# Codes of rows that an earlier version wrote.
FORMER = {
    "no_public_address": Rule(
        FAILED,
        "",
        "The provider cannot reach the frames",
        f"This installation has no public address. {NOTHING_CHARGED}",
        ADMIN,
        "Set LUMAWEB_PUBLIC_URL to the address the provider can reach; until then members can use links.",
    ),
}

UNKNOWN = {
    QUEUED: Rule(
        QUEUED,
        "rest",
        "Sent back",
        "It is sent again soon.",
        NOBODY,
        "It was not sent, for a reason that is new to us.",
        WHEN_RESTED,
    ),
    FAILED: Rule(
        FAILED,
        "",
        "It failed",
        "The provider refused it.",
        MEMBER,
        "The provider refused it with a word that is new to us.",
    ),
    UNCONFIRMED: Rule(
        UNCONFIRMED,
        "",
        "No clear answer",
        MAYBE_CHARGED,
        NOBODY,
        "It cannot be told whether it was taken. " + LOOK_IT_UP,
    ),
}


def rule_for(error: provider.ProviderError) -> Rule:
    """The row of the table for a POST that ended with this error.

    A code alone does not decide: where the request may have arrived and the table would send it again, or call it
    refused, the doubt wins.
    """
    rule = POST.get(error.code)
    if error.sent is provider.Sent.MAYBE:
        return rule if rule and rule.becomes == UNCONFIRMED else UNKNOWN[UNCONFIRMED]
    if rule and rule.becomes != UNCONFIRMED:
        return rule
    return UNKNOWN[QUEUED if error.sent is provider.Sent.NEVER else FAILED]


def words_for(state: str, code: str, *, accepted: bool) -> Rule:
    """How a row in this state with this code is explained to a member."""
    tables = (TASK, POST, FORMER) if accepted or state == FAILED else (POST, TASK, FORMER)
    for table in tables:
        if (rule := table.get(code)) and rule.becomes == state:
            return rule
    return UNKNOWN.get(state, UNKNOWN[FAILED])


def as_markdown() -> str:
    """The table as a page to read."""
    lines = [
        "# What follows from each outcome",
        "",
        "Written by `manage.py policy` from `videos/models/policy.py`, which is what happens. A request that may have",
        "arrived is never repeated by Lumaweb, whatever its code says: then the last table's row for `unconfirmed`",
        "counts, unless the code has one of its own.",
    ]
    for title, table in (
        ("A request that was sent, or could not be", POST),
        ("A task that had been accepted", TASK),
        ("Any other outcome, by what is known of it", UNKNOWN),
    ):
        lines += ["", f"## {title}", "", "| outcome | generation | token | again | member reads | admin reads |"]
        lines += ["| --- | --- | --- | --- | --- | --- |"]
        for code, rule in table.items():
            token = {"": "stays", "rest": "rests"}.get(rule.token) or f"out: {Health(rule.token).label.lower()}"
            words = f"**{rule.title}.** {rule.text} {rule.who}".strip()
            lines.append(f"| `{code}` | {rule.becomes} | {token} | {rule.again or 'never'} | {words} | {rule.admin} |")
    return "\n".join(lines) + "\n"

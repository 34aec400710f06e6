"""What follows from each thing that can happen to a POST: the one table.

`becomes`: the generation's next state. `token`: what becomes of the token that was used: "" nothing, "rest" it is not
used for a while, or the Health it is taken out with. A row that goes back to `queued` is sent again by the next drain
with the best token then; one that becomes `unconfirmed` is never sent again by us.
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


NOTHING_CHARGED = "Nothing was charged."
MAYBE_CHARGED = "It may have been started and charged. We keep listening for it and never send it twice by ourselves."

# By the provider's code, or by one of our own (the second half). Source of the first half: the Luma videos contract.
POST = {
    "bad_request": Rule(
        FAILED,
        "",
        "The request was not accepted",
        f"The provider could not use it. {NOTHING_CHARGED}",
        MEMBER,
    ),
    "token_mismatched": Rule(
        QUEUED, Health.INVALID, "The API token is for another service", "It waits for another token.", ADMIN
    ),
    "api_not_implemented": Rule(
        FAILED, "", "The provider has no such operation", f"It cannot do this. {NOTHING_CHARGED}"
    ),
    "invalid_token": Rule(QUEUED, Health.INVALID, "The API token is not valid", "It waits for another token.", ADMIN),
    "token_expired": Rule(QUEUED, Health.INVALID, "The API token has expired", "It waits for another token.", ADMIN),
    "no_token": Rule(QUEUED, Health.INVALID, "The API token is missing", "It waits for another token.", ADMIN),
    "forbidden": Rule(
        FAILED,
        "",
        "Refused by moderation",
        f"The provider found the prompt or a frame against its standards. {NOTHING_CHARGED}",
        MEMBER,
    ),
    "used_up": Rule(QUEUED, Health.USED_UP, "The balance is used up", "It waits until there is credit again.", ADMIN),
    "disabled": Rule(QUEUED, Health.INVALID, "The provider switched this off", "It waits for another token.", ADMIN),
    "too_many_requests": Rule(QUEUED, "rest", "The provider is busy", "It is sent as soon as there is room."),
    "api_error": Rule(UNCONFIRMED, "", "The provider had an error", MAYBE_CHARGED),
    "timeout": Rule(UNCONFIRMED, "", "The provider took too long to answer", MAYBE_CHARGED),
    # Ours: what the wire did.
    "not_sent": Rule(QUEUED, "rest", "The provider cannot be reached", "It is sent as soon as it can be."),
    "no_answer": Rule(UNCONFIRMED, "", "No answer yet", MAYBE_CHARGED),
    "unreadable": Rule(UNCONFIRMED, "", "The answer made no sense", MAYBE_CHARGED),
    "interrupted": Rule(UNCONFIRMED, "", "Interrupted while sending", MAYBE_CHARGED),
    "token_unreadable": Rule(
        QUEUED, Health.INVALID, "The stored API token cannot be opened", "It waits for another token.", ADMIN
    ),
    "source_gone": Rule(
        FAILED,
        "",
        "The clip to extend cannot be reached",
        "Neither its id nor its link works for the provider, and it cannot fetch our saved copy. " + NOTHING_CHARGED,
        ADMIN,
    ),
    "no_public_address": Rule(
        FAILED,
        "",
        "The provider cannot reach the frames",
        f"This installation has no public address. {NOTHING_CHARGED}",
        ADMIN,
    ),
    "too_late": Rule(
        FAILED,
        "",
        "Never sent",
        f"The provider could not be reached for a whole day. {NOTHING_CHARGED}",
        MEMBER,
    ),
}

# What a task that was accepted can end with, where the words differ from those above.
TASK = {
    "api_error": Rule(FAILED, "", "The provider failed to make it", "It reported an error of its own.", MEMBER),
    "timeout": Rule(FAILED, "", "The provider gave up", "Making it took longer than the timeout allows.", MEMBER),
    "overdue": Rule(
        FAILED,
        "",
        "No result came",
        "The provider never reported an end. If it still does, the video appears here.",
    ),
    "dismissed": Rule(FAILED, "", "Dismissed", "If the video comes after all, it appears here."),
}

UNKNOWN = {
    QUEUED: Rule(QUEUED, "rest", "Sent back", "It is sent again soon."),
    FAILED: Rule(FAILED, "", "It failed", "The provider refused it.", MEMBER),
    UNCONFIRMED: Rule(UNCONFIRMED, "", "No clear answer", MAYBE_CHARGED),
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
    tables = (TASK, POST) if accepted or state == FAILED else (POST, TASK)
    for table in tables:
        if (rule := table.get(code)) and rule.becomes == state:
            return rule
    return UNKNOWN.get(state, UNKNOWN[FAILED])

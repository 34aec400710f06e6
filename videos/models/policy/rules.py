"""What follows from each outcome, and how it is explained: the tables.

`docs/admin/outcomes.md` is written from them by `manage.py policy`.
"""

from dataclasses import dataclass, replace
from typing import Unpack

from ..circuit import Health
from .readers import AGAIN, PAID_AGAIN, RETRY_BY_AUTHOR, Words

QUEUED, FAILED, UNCONFIRMED = "queued", "failed", "unconfirmed"

# The effect on the token, besides the values of Health with which it is disabled.
NO_EFFECT = ""
BACKS_OFF = "back_off"  # paused for up to a minute
ADDRESS = "address"  # the same, and Lumaweb remembers that this token cannot send the row
LIMITED = "limited"  # the same, with fewer concurrent videos
PAUSES_IF_REPEATED = "pauses_if_repeated"  # paused after the second ambiguous answer in a row
SUSPECT = "suspect"  # paused after the third video in a row


@dataclass(frozen=True, slots=True)
class Rule:
    """One outcome.

    next_state: of the generation. token_effect: what becomes of the token. title, text: for everybody. advice: what
    every member can do. for_members: for members who are not admins. for_author: for the author and admins. for_others:
    for everybody else. for_admins: for admins, also as the token's last error. resent: when Lumaweb sends the request
    again, "" for never; a day after the first claim it gives up (`too_late`). row_waits: the row is not sent again at
    once, although the token does not pause.
    """

    next_state: str
    token_effect: str
    title: str
    text: str
    advice: str = ""
    for_members: str = ""
    for_admins: str = ""
    resent: str = ""
    row_waits: bool = False
    for_author: str = ""
    for_others: str = ""


NOTHING_CHARGED = "Nothing was charged."
MAYBE_CHARGED = "The provider may have started and charged this video. Lumaweb never resends it automatically."
# By the provider's documentation: Lumaweb cannot see the account.
ONLY_FINISHED = "According to the provider, only finished videos are charged."

# When Lumaweb sends the request again.
NEXT_TOKEN = "at once with the next token, or when an admin re-enables this one"
AFTER_THE_PAUSE = "at once with the next token, or after the pause"

CHANGE_IT = "Change the prompt or the settings and try again."
ASK_TOKENS = "Ask an admin to fix the API tokens."
ASK_PROVIDER = "Ask an admin to check the provider settings."
ANOTHER_TOKEN = "Nothing was charged. Lumaweb sends the video with another API token."
SENT_AGAIN = "Nothing was charged. Lumaweb sends the video again automatically."


def _disabled(health: Health, title: str, for_admins: str, for_members: str = ASK_TOKENS) -> Rule:
    return Rule(
        QUEUED,
        health,
        title,
        f"The video was not started. {ANOTHER_TOKEN}",
        for_members=for_members,
        for_admins=for_admins,
        resent=NEXT_TOKEN,
    )


def _address(title: str, text: str, for_admins: str) -> Rule:
    return Rule(
        QUEUED,
        ADDRESS,
        title,
        f"{text} {SENT_AGAIN}",
        for_members=ASK_PROVIDER,
        for_admins=for_admins,
        resent=AFTER_THE_PAUSE,
    )


def _failed(title: str, text: str, *, for_admins: str, token_effect: str = NO_EFFECT, **words: Unpack[Words]) -> Rule:
    return Rule(FAILED, token_effect, title, f"{text} {NOTHING_CHARGED}", for_admins=for_admins, **words)


def _in_doubt(title: str, for_admins: str, token_effect: str = PAUSES_IF_REPEATED, for_members: str = "") -> Rule:
    return Rule(UNCONFIRMED, token_effect, title, MAYBE_CHARGED, for_members=for_members, for_admins=for_admins)


BAD_REQUEST = _failed(
    "Request not accepted",
    "The provider did not accept the request.",
    advice=CHANGE_IT,
    for_admins="The provider found the payload invalid. Its message, on the video's page, may say why.",
)
TOO_LARGE = _failed(
    "Request too large",
    "The request is larger than the provider accepts.",
    advice="Shorten the prompt and try again.",
    for_admins="The provider refused the size of the request.",
)
INVALID_TOKEN = _disabled(
    Health.INVALID,
    "API token not valid",
    "The provider does not accept this token: enter another one under API tokens.",
)
USED_UP = _disabled(
    Health.USED_UP,
    "Balance used up",
    "The balance behind this token is spent: top it up and mark the token as healthy, or add another token.",
    "Ask an admin to top up the balance.",
)
DISABLED = _disabled(
    Health.INVALID,
    "Service not available to this account",
    "The provider disabled the service for this account, or the account has not applied for it: settle that in the "
    "provider's console, then mark the token as healthy.",
)
MODERATION = _failed(
    "Refused by moderation",
    "The provider refused the prompt or a frame.",
    advice="Change the prompt or the frames and try again.",
    for_admins="The provider's moderation refused the prompt or a frame. The token is fine.",
)
LIMIT = Rule(
    QUEUED,
    LIMITED,
    "Provider busy",
    f"The provider accepts no more requests at the moment. {SENT_AGAIN}",
    for_admins="The provider's rate or concurrency limit. Lumaweb makes fewer videos at the same time for a while.",
    resent="at once with the next token, or after the pause: as long as the provider says, at most an hour",
)
NO_API = _address(
    "Provider address not right",
    "The provider has no such operation at this address.",
    "The provider does not know this operation: check the token's provider address, or update Lumaweb.",
)
NOT_THE_API = _address(
    "Provider not reached",
    "Something other than the provider's video service answered.",
    "The answer did not come from the Luma videos API: check the token's provider address, and any proxy or firewall "
    "in between.",
)
REDIRECTED = _address(
    "Provider address redirects",
    "The provider's address points elsewhere, and Lumaweb follows no redirect.",
    "The provider's address redirects, and Lumaweb follows no redirect: add the token with the final address.",
)
UNEXPLAINED = _failed(
    "Refused by the provider",
    "The provider refused the request for a reason that Lumaweb does not know.",
    advice=CHANGE_IT,
    for_members="Ask an admin to read the provider's message.",
    for_admins="The provider refused this with a new or missing error code; its message is on the video's page. After "
    "three videos in a row the token pauses.",
    token_effect=SUSPECT,
)

# A request that was refused, or not sent at all: by the provider's code, of both generations of its documentation, or
# by our code (the second half).
POST = {
    "bad_request": BAD_REQUEST,
    "invalid_request": BAD_REQUEST,
    "request_too_large": TOO_LARGE,
    "content_too_large": TOO_LARGE,
    "task_not_found": _failed(
        "Video to extend not found",
        "The provider does not know the video that the request names.",
        advice="Choose another video, or its link, and try again.",
        for_admins="The provider knows its own videos only, and may forget them.",
    ),
    "token_mismatched": _disabled(
        Health.INVALID,
        "API token for another service",
        "This token does not belong to the Luma videos API: acquire that service at the provider, or enter another "
        "token.",
    ),
    "invalid_token": INVALID_TOKEN,
    "unauthorized": INVALID_TOKEN,
    "token_expired": _disabled(
        Health.INVALID, "API token expired", "This token has expired: enter another one under API tokens."
    ),
    "no_token": _disabled(
        Health.INVALID,
        "API token missing",
        "The provider received no token: a proxy in between may remove it; otherwise enter another one.",
    ),
    "used_up": USED_UP,
    "insufficient_balance": USED_UP,
    "disabled": DISABLED,
    "not_applied": DISABLED,
    "forbidden": MODERATION,
    "content_moderation": MODERATION,
    "api_not_implemented": NO_API,
    "no_api": NO_API,
    "too_many_requests": LIMIT,
    "rate_limited": LIMIT,
    "busy": LIMIT,
    # Ours.
    "redirected": REDIRECTED,
    "not_sent": Rule(
        QUEUED,
        BACKS_OFF,
        "Provider not reachable",
        f"No connection to the provider could be made. {SENT_AGAIN}",
        for_admins="No connection to the provider could be made: check the network, the provider's address and its "
        "status page.",
        resent=AFTER_THE_PAUSE,
    ),
    "sent_back": _failed(
        "Blocked on the way to the provider",
        "With every API token this video is sent back before it reaches the provider, while others pass.",
        advice=CHANGE_IT,
        for_admins="A firewall or gateway on the way to the provider probably blocks this request for its content.",
    ),
    "token_unreadable": _disabled(
        Health.INVALID,
        "API token cannot be decrypted",
        "The encryption keys do not open this token: put its key back into LUMAWEB_ENCRYPTION_KEYS, or enter it again.",
    ),
    "source_gone": _failed(
        "Video to extend not reachable",
        "Neither its ID nor its link works for the provider, and the provider cannot fetch the saved copy.",
        advice="Choose another video to extend.",
        for_members="Ask an admin to set a public address for Lumaweb.",
        for_admins="With LUMAWEB_PUBLIC_URL set, the provider could fetch the saved copy.",
    ),
    "frame_gone": _failed(
        "Frame deleted",
        "A frame was permanently deleted before the video was sent.",
        advice="Choose another frame and try again.",
        for_admins="The last other video with this frame was permanently deleted while this one waited.",
    ),
    "upload_refused": _failed(
        "Frame upload refused",
        "The provider accepted no upload of the frame.",
        advice="Use a link to the picture instead.",
        for_admins="The provider's file upload refused it. With LUMAWEB_PUBLIC_URL set, the provider fetches the "
        "frames instead.",
    ),
    "upload_too_large": _failed(
        "Frame too large",
        "The provider accepts pictures of up to 25 MB.",
        advice="Choose a smaller picture and try again.",
        for_admins="The provider's file upload found the picture too large.",
    ),
    "upload_failed": Rule(
        QUEUED,
        NO_EFFECT,
        "Frame not uploaded yet",
        f"The provider's file upload did not answer. {SENT_AGAIN}",
        for_admins="The provider's file upload did not answer: check the network, its address, and its status page.",
        resent="as long after as the provider says, or after up to a minute",
        row_waits=True,
    ),
    "storage_down": Rule(
        QUEUED,
        NO_EFFECT,
        "Waiting for the database",
        f"The video could not be prepared. {SENT_AGAIN}",
        for_admins="The database was locked, full or away between the claim and the request: see the log.",
        resent="as soon as the database works",
    ),
    "too_late": _failed(
        "Never sent",
        "For a whole day the video could not be sent to the provider.",
        for_members="Ask an admin to check the API tokens.",
        for_author="Retry it when an API token works.",
        for_others=RETRY_BY_AUTHOR,
        for_admins="No token could send it for a day; the tokens' last errors say why.",
    ),
}

# Codes of rows of an earlier version.
FORMER = {
    "no_public_address": _failed(
        "Frames not reachable",
        "The provider cannot fetch the frames, as this installation has no public address.",
        advice="Use links to pictures instead.",
        for_members="Or ask an admin to set a public address for Lumaweb.",
        for_admins="Set LUMAWEB_PUBLIC_URL to an address that the provider can reach.",
    ),
}

# The codes that Lumaweb sets itself, with its own messages.
OURS = frozenset(
    {"not_sent", "no_answer", "unreadable", "interrupted", "token_unreadable", "source_gone", "frame_gone"}
    | {"storage_down", "no_public_address", "too_late", "overdue", "dismissed", "same_task", "token_refused"}
)

# A request that may have been carried out: the provider's code chooses the words only.
DOUBT = {
    "api_error": _in_doubt("Provider error", "The provider failed while it took the request."),
    "timeout": _in_doubt("Provider took too long", "The provider's gateway gave up waiting."),
    "no_answer": _in_doubt("No answer", "The connection was cut, or timed out, after the request was sent."),
    "unreadable": _in_doubt(
        "Unclear answer", "The answer was not what the provider promises; a proxy in between may have given it."
    ),
    "redirected": _in_doubt(
        "Provider address redirects",
        "The provider's address redirects, and Lumaweb follows no redirect: check the token's provider address.",
        for_members=ASK_PROVIDER,
    ),
    "interrupted": _in_doubt(
        "Interrupted while sending", "A worker of this installation stopped while it was sending.", NO_EFFECT
    ),
}
DOUBT |= {"upstream_error": DOUBT["api_error"], "upstream_timeout": DOUBT["timeout"]}

# A task that was accepted and ended without a video, or that Lumaweb gave up.
TASK = {
    "api_error": Rule(
        FAILED,
        NO_EFFECT,
        "Provider error",
        f"The provider failed to make this video. {ONLY_FINISHED}",
        **AGAIN,
        for_admins="The task failed at the provider. Its console shows whether it was charged.",
    ),
    "timeout": Rule(
        FAILED,
        NO_EFFECT,
        "Provider took too long",
        f"The provider stopped because the video took longer than the timeout. {ONLY_FINISHED}",
        for_author="Retry it with a longer timeout.",
        for_others=RETRY_BY_AUTHOR,
        for_admins="The task ran into its timeout at the provider. Its console shows whether it was charged.",
    ),
    "task_failed": Rule(
        FAILED,
        NO_EFFECT,
        "Provider could not make it",
        f"The provider ended the task without a video. {ONLY_FINISHED}",
        **AGAIN,
        for_admins="The task failed at the provider. Its console shows whether it was charged.",
    ),
    "forbidden": replace(MODERATION, text=f"The provider refused the prompt or a frame. {ONLY_FINISHED}"),
    "used_up": Rule(
        FAILED,
        NO_EFFECT,
        "Balance used up",
        f"The provider stopped because the balance behind the API token is used up. {ONLY_FINISHED}",
        for_members="Ask an admin to top up the balance.",
        for_author="Retry it after the top-up.",
        for_others=RETRY_BY_AUTHOR,
        for_admins="The balance behind the token was spent while the task ran: top it up, then retry the video.",
    ),
    "overdue": Rule(
        FAILED,
        NO_EFFECT,
        "No result",
        f"The provider reported no result in time. {ONLY_FINISHED}",
        **PAID_AGAIN,
        for_admins="The provider's console may show what became of it, by its task ID.",
    ),
    "dismissed": Rule(
        FAILED,
        NO_EFFECT,
        "Dismissed",
        "Lumaweb no longer waits for this video. The provider may have charged it.",
        **PAID_AGAIN,
        for_admins="The provider's console shows whether it was made and charged; if it was, adopt it by its task ID.",
    ),
}
TASK |= {
    "upstream_error": TASK["api_error"],
    "upstream_timeout": TASK["timeout"],
    "content_moderation": TASK["forbidden"],
    "insufficient_balance": TASK["used_up"],
}

# An error without a known code, by what is known of it.
UNKNOWN_DOUBT = _in_doubt("Unclear answer", "The answer leaves open whether the provider took the request.")
UNKNOWN_TASK = TASK["task_failed"]
NEVER_SENT = Rule(
    QUEUED,
    BACKS_OFF,
    "Not sent",
    f"The video was not sent. {SENT_AGAIN}",
    for_admins="It was not sent, for a reason that Lumaweb does not know.",
    resent=AFTER_THE_PAUSE,
)
BY_STATUS = {
    "301, 307, 308": REDIRECTED,
    "400, 422": BAD_REQUEST,
    "401": INVALID_TOKEN,
    "402": USED_UP,
    "404": NOT_THE_API,
    "413": TOO_LARGE,
    "429": LIMIT,
    "403, other 4xx": UNEXPLAINED,
    "other 4xx without the provider's words": NOT_THE_API,
    "2xx without a task, other 3xx, 408, 409, 499, 5xx": UNKNOWN_DOUBT,
    "no connection": NEVER_SENT,
}

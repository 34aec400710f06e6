"""What a failed test of an API token says about it, for the admin who has just entered it."""

from dataclasses import dataclass

from ... import provider


@dataclass(frozen=True, slots=True)
class TokenProblem:
    """What the test found and what to do about it; `field` of the form is where to do it: "token" or "base_url"."""

    title: str
    advice: str
    field: str = "token"


NOT_ACCEPTED = TokenProblem(
    "The provider does not accept this token.",
    "Copy it again from the provider's console, under Credentials. A revoked token needs a new one.",
)
USED_UP = TokenProblem(
    "The balance behind this token is used up.", "Top it up in the provider's console, then try again."
)
NOT_AVAILABLE = TokenProblem(
    "The Luma service is not available to this account.",
    "Acquire or enable the Luma videos service in the provider's console, then try again.",
)
NO_API = TokenProblem(
    "The Luma videos API was not found at this address.",
    "Check the provider's address under Advanced. It is the address of the API without a path.",
    "base_url",
)
WEB_PAGE = TokenProblem(
    "A web page answered instead of the API.",
    "Check the provider's address under Advanced, and any proxy or firewall between this machine and the provider.",
    "base_url",
)
REDIRECTED = TokenProblem(
    "The provider's address redirects to another one.", "Enter the final address under Advanced.", "base_url"
)
BUSY = TokenProblem("The provider accepts no more requests at the moment.", "Wait a moment, then try again.")
FAILING = TokenProblem("The provider reports an internal error.", "Check its status page, and try again later.")
NO_ANSWER = TokenProblem(
    "The provider did not answer in time.",
    "Check this machine's network, the provider's address under Advanced, and the provider's status page.",
    "base_url",
)
UNREACHABLE_ADVICE = "Check the provider's address under Advanced, and this machine's network and DNS."
UNREADABLE = TokenProblem(
    "The encryption keys do not open this token.",
    "Put the key it was stored with back into LUMAWEB_ENCRYPTION_KEYS, or enter the token again.",
)
UNCLEAR = TokenProblem(
    "The provider's answer is not clear.", "Check the provider's address under Advanced.", "base_url"
)

_BY_CODE = {
    "used_up": USED_UP,
    "insufficient_balance": USED_UP,
    "disabled": NOT_AVAILABLE,
    "not_applied": NOT_AVAILABLE,
    "forbidden": NOT_AVAILABLE,
    "api_not_implemented": NO_API,
    "no_api": NO_API,
    "redirected": REDIRECTED,
    "unreadable": WEB_PAGE,
    "no_answer": NO_ANSWER,
    "token_unreadable": UNREADABLE,
    "too_many_requests": BUSY,
    "rate_limited": BUSY,
    "busy": BUSY,
    "token_expired": TokenProblem(
        "This token has expired.", "Create another one in the provider's console, under Credentials."
    ),
    "token_mismatched": TokenProblem(
        "This token is for another service of the provider.",
        "Copy the token of the Luma videos service, under Credentials.",
    ),
    "no_token": TokenProblem(
        "The token did not reach the provider.",
        "A proxy between this machine and the provider may remove it. Check the provider's address under Advanced.",
        "base_url",
    ),
}
_BY_STATUS = {401: NOT_ACCEPTED, 402: USED_UP, 403: NOT_AVAILABLE, 404: NO_API, 405: NO_API, 429: BUSY}


def problem_of(error: provider.ProviderError) -> TokenProblem:
    """Return what a failed look-up says about a token and its address."""
    if error.code == "not_sent":
        return TokenProblem(error.message, UNREACHABLE_ADVICE, "base_url")
    if known := _BY_CODE.get(error.code):
        return known
    status = error.status or 0
    if error.code.startswith("http_") and status not in (401, 402, 429):
        return WEB_PAGE
    if status >= 500:
        return FAILING
    return _BY_STATUS.get(status, UNCLEAR)

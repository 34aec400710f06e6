"""Test an API token with a look-up, which is free."""

import uuid
from dataclasses import dataclass, replace
from typing import Literal

from .. import provider
from ..models import ApiToken, Health, Member, policy
from .provider_calls import call_provider
from .queue import enqueue_drain

TEST_SECONDS = 20.0  # an admin waits for it


@dataclass(frozen=True, slots=True)
class TokenCheck:
    """The result of a token's test, and a sentence for the admin.

    health is what the provider's refusal makes of the token; None unless it was refused. problem says what to do about
    it; None if the token works. detail is the provider's own code and message, "" if it works.
    """

    status: Literal["ok", "refused", "unknown"]
    message: str
    health: Health | None = None
    problem: policy.TokenProblem | None = None
    detail: str = ""


def check_token(token: ApiToken, by: Member | None = None) -> TokenCheck:
    """Test a stored token, and disable it or take it into use again as the provider's answer says."""
    check = _check(token)
    if check.health:
        token.disable(check.health, check.message)
    if check.status != "ok":
        return check
    if token.record_look_up_answered():
        addition = "and the next video is sent with it"
    elif token.reenable(by):
        addition = "and it is used again"
    else:
        return check
    enqueue_drain()
    return replace(check, message=check.message.replace("accepts it.", f"accepts it, {addition}."))


def check_secret(token: ApiToken, secret: str) -> TokenCheck:
    """Test a secret that is not stored yet with the address of this token; change nothing."""
    return check_new(token.base_url, secret)


def check_new(base_url: str, secret: str) -> TokenCheck:
    """Test a secret at a provider's address; change nothing."""
    candidate = ApiToken(base_url=base_url)
    candidate.secret = secret
    return _check(candidate)


def _check(token: ApiToken) -> TokenCheck:
    try:
        call_provider(token, lambda luma: luma.task(str(uuid.uuid4())), TEST_SECONDS)
    except provider.ProviderError as error:
        rule = policy.rule_for(error)
        reason = f"{error.code}: {error.message}" if error.message else error.code
        problem, detail = policy.problem_of(error), " ".join(filter(None, [str(error.status or ""), reason]))
        if rule.token_effect not in Health.values:
            message = f"The test brought no answer about the token, so nothing was changed. ({reason})"
            return TokenCheck("unknown", message, problem=problem, detail=detail)
        if error.sent is provider.Sent.NEVER:
            message = f"{rule.for_admins} ({error.code}: the provider was not asked)"
        else:
            message = f"The provider refuses it. {rule.for_admins} ({reason})"
        return TokenCheck("refused", message, Health(rule.token_effect), problem, detail)
    return TokenCheck("ok", "The provider accepts it. Only a video can show whether there is credit left.")

"""Test an API token with a look-up, which is free."""

import uuid
from dataclasses import dataclass, replace

from .. import provider
from ..models import ApiToken, Health, Member, policy
from .queue import submit_later
from .task_lookup import look_up


@dataclass(frozen=True, slots=True)
class Trial:
    """What an admin's test of a token showed: "ok", "refused" or "unknown", and that in words."""

    verdict: str
    words: str


def try_token(token: ApiToken, by: Member | None = None) -> Trial:
    """Ask the provider for a task that does not exist, which is free, and mend or take out the token by the answer."""
    trial, health = _tried(token)
    if health:
        token.take_out(health, trial.words)
        return trial
    if trial.verdict == "ok" and token.passed_look_up():
        submit_later()
        return replace(
            trial, words=trial.words.replace("accepts it.", "accepts it, and the next video is sent with it.")
        )
    if trial.verdict == "ok" and token.mend(by):
        submit_later()
        return replace(trial, words=trial.words.replace("accepts it.", "accepts it, and it is used again."))
    return trial


def try_secret(token: ApiToken, secret: str) -> Trial:
    """The same question with a secret that is not stored yet; nothing is changed by it."""
    candidate = ApiToken(name=token.name, base_url=token.base_url)
    candidate.secret = secret
    return _tried(candidate)[0]


def _tried(token: ApiToken) -> tuple[Trial, Health | None]:
    """What the provider thinks of a token, and the health it has by that; None where it stays as it is."""
    try:
        look_up(token, str(uuid.uuid4()))
    except provider.ProviderError as error:
        rule = policy.rule_for(error)
        said = f"{error.code}: {error.message}" if error.message else error.code
        if rule.token in Health.values:
            if error.sent is provider.Sent.NEVER:
                return Trial("refused", f"{rule.admin} ({error.code}: the provider was not asked)"), Health(rule.token)
            return Trial("refused", f"The provider refuses it. {rule.admin} ({said})"), Health(rule.token)
        return Trial("unknown", f"The test brought no answer about the token, so nothing was changed. ({said})"), None
    balance = "Whether there is credit left cannot be told by this: only a video can."
    return Trial("ok", f"The provider accepts it. {balance}"), None

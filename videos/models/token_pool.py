"""Why queued videos wait for the API tokens, and what an admin has to do."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.utils import timezone

from .budget import Pricing
from .circuit import Health, clock_time
from .token import ApiToken

KEY_IS_MISSING = "is not opened by the encryption keys"


@dataclass(frozen=True, slots=True)
class Wait:
    """Why nothing can be sent now; `key` tells one reason from another.

    for_members: for members who are not admins. for_admins: for admins.
    """

    key: str
    text: str
    for_members: str = ""
    for_admins: str = ""


BUSY = Wait("busy", "the maximum number of videos is being sent or made. The next one follows automatically.")
DAY = Wait(
    "day",
    "the daily limit of the API tokens is reached. Sending resumes tomorrow.",
    "An admin can raise the limit.",
    "You can raise the limit under API tokens.",
)
PROBE = Wait("probe", "Lumaweb is checking whether the provider answers again. Sending resumes automatically.")
NONE = Wait("none", "there is no API token yet.", "Ask an admin to add one.", "Add one under API tokens.")
PAUSED = Wait("paused", "every API token is paused.", "Ask an admin to resume one.", "Resume one under API tokens.")
USED_UP = Wait(
    "used_up",
    "the balance of every API token is used up.",
    "Ask an admin to top it up.",
    "Top it up, then mark the token as healthy under API tokens.",
)
INVALID = Wait(
    "invalid",
    "no API token is valid.",
    "Ask an admin to fix the API tokens.",
    "Enter a valid one under API tokens.",
)
UNFIT = Wait(
    "unfit",
    "every API token is used up or not valid.",
    "Ask an admin to fix the API tokens.",
    "Top one up or enter a valid one under API tokens.",
)


class Pool:
    """All API tokens at one moment."""

    def __init__(self, tokens: list[ApiToken], now: datetime) -> None:
        self.tokens, self.now = tokens, now

    @classmethod
    def current(cls) -> "Pool":
        return cls(list(ApiToken.objects.current_first()), timezone.now())

    @property
    def simulates(self) -> bool:
        """Whether new videos would be simulated: the first token is of the provider of new videos."""
        return bool(self.tokens) and self.tokens[0].simulated

    @cached_property
    def enabled(self) -> list[ApiToken]:
        return [token for token in self.tokens if token.enabled]

    @cached_property
    def wait(self) -> Wait | None:
        """Why queued videos are not sent; None while a token has room for one."""
        usable = [token for token in self.enabled if token.is_usable(self.now)]
        free = [token for token in usable if token.in_flight < token.limit and token.may_post(self.now)]
        if any(self._has_today(token) for token in free):
            return None
        if free:
            return DAY
        if usable:
            return BUSY
        return self._pause() or self._disabled()

    def _pause(self) -> Wait | None:
        if any(token.awaits_look_up(self.now) for token in self.enabled):
            return PROBE
        ends = [token.limited_until for token in self.enabled if token.limited_until and token.is_backing_off(self.now)]
        if not ends:
            return None
        until = min(ends)
        return Wait(
            f"rest{timezone.localtime(until):%d%H%M%S}",
            f"sending is paused until {clock_time(until, self.now)}, because the provider was busy, not reachable or "
            "gave no clear answer. It resumes automatically.",
            for_admins="The last error under API tokens says more.",
        )

    def _disabled(self) -> Wait:
        if not self.enabled:
            return PAUSED if self.tokens else NONE
        health = {token.health for token in self.enabled}
        if health == {Health.USED_UP.value}:
            return USED_UP
        return INVALID if health == {Health.INVALID.value} else UNFIT

    def _has_today(self, token: ApiToken) -> bool:
        """Whether what is left of its daily limit is enough for the cheapest video."""
        if token.daily_limit is None:
            return True
        pricing = Pricing.current()
        cheapest = max(1, min(pricing.per_generate, pricing.per_extend))
        return token.used_today(timezone.localdate(self.now)) + cheapest <= token.daily_limit

    @cached_property
    def trouble(self) -> str:
        """Say in a sentence or two what an admin should look at; "" if there is nothing."""
        unhealthy = [token for token in self.enabled if token.is_unhealthy or not token.is_readable]
        suspect = [token for token in self.enabled if token not in unhealthy and token.is_suspect]
        if not unhealthy and not suspect:
            return f"{self.wait.text[0].upper()}{self.wait.text[1:]}" if self.wait and self.wait.for_members else ""
        words = {Health.USED_UP.value: "is used up", Health.INVALID.value: "is not valid"}
        sentences = [
            f"The API token “{token.name}” {words[token.health] if token.is_readable else KEY_IS_MISSING}."
            for token in unhealthy[:2]
        ]
        if len(unhealthy) > 2:
            sentences.append(f"{len(unhealthy) - 2} more {'need' if len(unhealthy) > 3 else 'needs'} you too.")
        sentences += [
            f"The provider refuses one video after another sent with the API token “{token.name}”, without a known "
            "reason."
            for token in suspect[:1]
        ]
        if unhealthy:
            stuck = (self.wait and self.wait.for_members) or len(unhealthy) == len(self.enabled)
            sentences.append("New videos wait until one is fixed." if stuck else "The others do its work.")
        return " ".join(sentences)

"""Causes in Lumaweb itself, and in saving, in words: the counterpart of the rules for the provider's answers."""

from dataclasses import dataclass

from ..state import HELD_UNSENT, HoldReason
from .readers import AGAIN
from .rules import NOTHING_CHARGED, ONLY_FINISHED


@dataclass(frozen=True, slots=True)
class Explanation:
    """What happened to a video and what to do next.

    advice: what every member can do. for_members: for members who are not admins. for_author: for the author and for
    admins; for_others: for everybody else. for_admins: for admins only.
    """

    title: str
    text: str
    advice: str = ""
    for_admins: str = ""
    for_members: str = ""
    for_author: str = ""
    for_others: str = ""

    def sentences(self, *, is_admin: bool, may_change: bool) -> list[str]:
        """Return the sentences for this reader, without those for admins only."""
        asking = "" if is_admin else self.for_members
        own = self.for_author if may_change else self.for_others
        return [words for words in (self.text, self.advice, asking, own) if words]


CANCELED = Explanation(
    "Canceled",
    f"Canceled before it was sent. {NOTHING_CHARGED}",
    **AGAIN,
)

_WHY_HELD: dict[str, str] = {
    HoldReason.RESTORE: "After this video was requested, Lumaweb was restored from a backup or moved to another "
    "database, so it may have been sent before, and charged.",
    HoldReason.PROVIDER: "After this video was requested, the provider was changed, so another one would charge for "
    f"it. {NOTHING_CHARGED}",
    HoldReason.MEDIA: f"It was queued while the media were moved to another storage. {NOTHING_CHARGED}",
    HoldReason.UNKNOWN: "After this video was requested, Lumaweb was restored from a backup, so it may have been sent "
    "before, and charged, or its provider was changed, so another one would charge for it.",
}


def held(reason: str) -> Explanation:
    """Explain why a queued video is held."""
    adopting = "" if reason in HELD_UNSENT else ", or adopt its task"
    return Explanation(
        "Held",
        f"{_WHY_HELD.get(reason, _WHY_HELD[HoldReason.UNKNOWN])} It is not sent until an admin decides.",
        for_members="Ask an admin to release it.",
        for_admins=f"Send or cancel it on the Provider page{adopting}.",
    )


NOT_LOOKED_UP = Explanation(
    "Not looked up",
    "The provider is making this video, but no longer accepts the API token that requested it, so Lumaweb cannot "
    "look it up. Look-ups continue as soon as an admin replaces the token's secret. " + ONLY_FINISHED,
    for_members="Ask an admin to replace it.",
    for_admins="Replace its secret with another one of the same account. The provider may forget a task after a day.",
)
SHARED = Explanation(
    "Same task as another video",
    "The provider named the same task for two requests. The finished video appears here. Whether it charges one or "
    "both is not known.",
    for_members="Ask an admin to compare both with the provider's charges.",
    for_admins="The video's events name the other video. Compare both with the provider's console.",
)
WITHOUT_TASK = Explanation(
    "Same task as another video",
    "The provider named the task of another video for this request. It may have started and charged one video or two. "
    "Lumaweb searches the provider's listing for another one and never resends this video automatically.",
    for_members="Ask an admin to compare both with the provider's charges.",
    for_admins="The video's events name the other video. Compare both with the provider's console.",
)


@dataclass(frozen=True, slots=True)
class Cause:
    """A reason why a finished video is not saved.

    text: for members; "" if the error's own message says it. for_members: for members who are not admins. for_admins:
    for admins only.
    """

    text: str = ""
    for_members: str = ""
    for_admins: str = ""


FINISHED_CHARGED = "According to the provider, finished videos are charged."
SAVING = {
    "not_allowed": Cause(
        "",
        "Ask an admin to fix that.",
        "If the host is the provider's, add it to LUMAWEB_MEDIA_HOSTS and restart Lumaweb, then choose “Save again”. "
        "A redirect to a sign-in page comes from a proxy between Lumaweb and the provider.",
    ),
    "refused_link": Cause(
        "", "", "Lumaweb fetches http and https links on the usual ports at public addresses only: check the DNS."
    ),
    "no_access": Cause("", "", "A sign-in page or a proxy between Lumaweb and the provider may answer for its host."),
    "link_gone": Cause(),
    "server_error": Cause(),
    "unreachable": Cause("", "", "Check the network and the provider's status page."),
    "incomplete": Cause("", "", "A proxy between Lumaweb and the provider may cut downloads."),
    "not_a_video": Cause("", "", "A sign-in page or a proxy between Lumaweb and the provider may answer for its host."),
    "too_large": Cause(),
    "too_slow": Cause("Saving took too long and was stopped."),
    "storage_full": Cause(
        "The storage for videos is full.",
        "Ask an admin to free space.",
        "Free space on the disk that holds the media; saving then continues.",
    ),
    "storage_away": Cause(
        "The storage for videos cannot be written to.",
        "Ask an admin to fix that.",
        "Check the media folder or object storage: `manage.py doctor` tests it, and the video's page has the error.",
    ),
    "unexpected": Cause(
        "An error in Lumaweb stopped the saving.", "", "The log of the media worker has the traceback."
    ),
    "interrupted": Cause("The worker that saved it stopped.", "", "The log of the media worker may say why."),
    "stops_worker": Cause(
        "Its file stopped a worker each time it was saved, so Lumaweb does not try again automatically. "
        "Other videos are saved as usual.",
        "",
        "The log of the media worker says how it ended: too little memory, a crash, or its time limit.",
    ),
}

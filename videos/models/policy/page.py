"""The tables as a page to read."""

from collections.abc import Mapping

from ..circuit import Health
from ..state import HoldReason
from .causes import CANCELED, FINISHED_CHARGED, NOT_LOOKED_UP, SAVING, SHARED, WITHOUT_TASK, Explanation, held
from .follow_up import WORDS as FOLLOW_UP
from .follow_up import Words
from .rules import (
    ADDRESS,
    BACKS_OFF,
    BY_STATUS,
    DOUBT,
    LIMITED,
    NO_EFFECT,
    PAUSES_IF_REPEATED,
    POST,
    SUSPECT,
    TASK,
    Rule,
)

TOKENS = {
    NO_EFFECT: "stays",
    BACKS_OFF: "pauses, up to a minute",
    ADDRESS: "pauses, up to a minute",
    LIMITED: "pauses; fewer videos at the same time",
    PAUSES_IF_REPEATED: "pauses after the second in a row, or at once after a 503",
    SUSPECT: "pauses after the third video in a row",
}


def as_markdown() -> str:
    """Write the tables as Markdown."""
    lines = [
        "# What follows from each outcome",
        "",
        "Written by `manage.py policy` from `videos/models/policy/`, which the code uses. Within 4xx a known",
        "code decides, and an unknown one is judged by its status. A request that may have arrived is never repeated",
        "by Lumaweb, whatever its code says. Sentences in italics are for members who are not admins;",
        "“(author, admins)” and “(others)” after a sentence say who reads it.",
        "",
        "A video that every healthy token sends back with an answer that is not the provider's, while others pass,",
        "fails as `sent_back`.",
    ]
    for title, table in (
        ("A request that was refused or not sent", POST),
        ("A request that may have been carried out", DOUBT),
        ("An error without a known code, by its HTTP status", BY_STATUS),
        ("A task that was accepted", TASK),
    ):
        lines += ["", f"## {title}", "", "| outcome | generation | token | sent again | everyone reads | admin reads |"]
        lines += ["| --- | --- | --- | --- | --- | --- |"]
        lines += [_row(names, rule) for names, rule in _grouped(table)]
    lines += [
        "",
        "## How the result of an unconfirmed video can still arrive",
        "",
        "If a callback may still arrive, the text says so too.",
        "",
        "| known about it | everyone also reads | admin reads |",
        "| --- | --- | --- |",
    ]
    lines += [f"| {known} | {_sentences(words)} | {words.for_admins} |" for known, words in FOLLOW_UP.items()]
    lines += ["", "## Other causes", "", "| cause | everyone reads | admin reads |", "| --- | --- | --- |"]
    lines += [f"| {name} | {_words(words)} | {words.for_admins} |" for name, words in _other_causes().items()]
    lines += ["", "## A finished video that is not saved", ""]
    lines += [f"Everyone also reads until when the provider's link works, and: {FINISHED_CHARGED}", ""]
    lines += ["| cause | everyone reads | members also read | admin reads |", "| --- | --- | --- | --- |"]
    lines += [
        f"| `{code}` | {cause.text or 'the message of the error'} | {cause.for_members} | {cause.for_admins} |"
        for code, cause in SAVING.items()
    ]
    return "\n".join(lines) + "\n"


def _other_causes() -> dict[str, Explanation]:
    holds = {f"held: {reason.label}": held(reason) for reason in HoldReason}
    return {
        "canceled": CANCELED,
        **holds,
        "token refused while the task runs": NOT_LOOKED_UP,
        "two requests with one task": SHARED,
        "a request whose task is unknown": WITHOUT_TASK,
    }


def _grouped(table: Mapping[str, Rule]) -> list[tuple[list[str], Rule]]:
    """One entry for all names of the same rule."""
    groups: list[tuple[list[str], Rule]] = []
    for name, rule in table.items():
        same = next((names for names, known in groups if known == rule), None)
        if same is None:
            groups.append(([name], rule))
        else:
            same.append(name)
    return groups


def _words(words: Rule | Explanation) -> str:
    return f"**{words.title}.** {_sentences(words, words.advice)}"


def _sentences(words: Rule | Explanation | Words, advice: str = "") -> str:
    asked = f"_{words.for_members}_" if words.for_members else ""
    author = f"{words.for_author} (author, admins)" if words.for_author else ""
    others = f"{words.for_others} (others)" if words.for_others else ""
    return " ".join(filter(None, (words.text, advice, asked, author, others)))


def _row(names: list[str], rule: Rule) -> str:
    token_effect = TOKENS.get(rule.token_effect) or f"disabled: {Health(rule.token_effect).label.lower()}"
    words = _words(rule)
    names_in_code = ", ".join(f"`{name}`" for name in names)
    cells = (names_in_code, rule.next_state, token_effect, rule.resent or "never", words, rule.for_admins)
    return f"| {' | '.join(cells)} |"

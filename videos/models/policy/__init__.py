"""What follows from each thing that can happen to a request: the one place that decides it."""

from .follow_up import WORDS as FOLLOW_UP
from .follow_up import FollowUp, follow_up, words_of
from .judge import is_about_the_request, is_ours, rule_for, words_for
from .page import as_markdown
from .rules import (
    ADDRESS,
    BACKS_OFF,
    BY_STATUS,
    DOUBT,
    FAILED,
    LIMITED,
    NO_EFFECT,
    PAUSES_IF_REPEATED,
    POST,
    QUEUED,
    SUSPECT,
    TASK,
    UNCONFIRMED,
    Rule,
)
from .token_test import TokenProblem, problem_of

__all__ = [
    "ADDRESS",
    "BACKS_OFF",
    "BY_STATUS",
    "DOUBT",
    "FAILED",
    "FOLLOW_UP",
    "LIMITED",
    "NO_EFFECT",
    "PAUSES_IF_REPEATED",
    "POST",
    "QUEUED",
    "SUSPECT",
    "TASK",
    "UNCONFIRMED",
    "FollowUp",
    "Rule",
    "TokenProblem",
    "as_markdown",
    "follow_up",
    "is_about_the_request",
    "is_ours",
    "problem_of",
    "rule_for",
    "words_for",
    "words_of",
]

"""What to do next, by who reads it."""

from typing import TypedDict


class Words(TypedDict, total=False):
    """Parts of a rule: for every member, members who are not admins, the author and admins, and everybody else."""

    advice: str
    for_members: str
    for_author: str
    for_others: str


RETRY_BY_AUTHOR = "Its author or an admin can retry it."
AGAIN: Words = {"for_author": "Retry it.", "for_others": RETRY_BY_AUTHOR}
PAID_AGAIN: Words = {"for_author": "Retry it if a second charge is acceptable.", "for_others": RETRY_BY_AUTHOR}

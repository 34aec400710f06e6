"""What to do next, by who reads it."""

# For the author and admins, and for everybody else.
RETRY = "Retry it."
RETRY_ONCE_PAID = "Retry it if a second charge is acceptable."
RETRY_BY_AUTHOR = "Its author or an admin can retry it."
AGAIN = {"for_author": RETRY, "for_others": RETRY_BY_AUTHOR}

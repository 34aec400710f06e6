from enum import Enum, auto


class Problem(Enum):
    """Why a sign-in with the OpenID provider failed."""

    UNREACHABLE = auto()
    WRONG_ANSWER = auto()
    REFUSED = auto()
    CANCELED = auto()
    INVALID_TOKEN = auto()


class SignInError(Exception):
    """A sign-in failed; the message is a sentence for admins and the log, without any secret."""

    def __init__(self, problem: Problem, message: str) -> None:
        super().__init__(message)
        self.problem = problem

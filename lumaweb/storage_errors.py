"""Tell a storage that does not work for now (locked, full, read-only, away) from every other error."""

import errno
from enum import StrEnum


class StorageProblem(StrEnum):
    """Why nothing can be stored; the value completes "Lumaweb could not save this: …"."""

    LOCKED = "another process has kept the database locked for too long"
    FULL = "the disk is full"
    READ_ONLY = "the database cannot be written to"
    AWAY = "the database does not answer"


# SQLite's primary result codes: https://www.sqlite.org/rescode.html
_BY_SQLITE_CODE = {
    5: StorageProblem.LOCKED,  # SQLITE_BUSY
    6: StorageProblem.LOCKED,  # SQLITE_LOCKED
    8: StorageProblem.READ_ONLY,  # SQLITE_READONLY
    10: StorageProblem.AWAY,  # SQLITE_IOERR
    13: StorageProblem.FULL,  # SQLITE_FULL
    14: StorageProblem.AWAY,  # SQLITE_CANTOPEN
    15: StorageProblem.LOCKED,  # SQLITE_PROTOCOL: the race for the WAL was lost too often
}
# PostgreSQL's states, the longest prefix first: https://www.postgresql.org/docs/current/errcodes-appendix.html
_BY_SQLSTATE = {
    "53100": StorageProblem.FULL,  # disk_full
    "25006": StorageProblem.READ_ONLY,  # read_only_sql_transaction
    "55P03": StorageProblem.LOCKED,  # lock_not_available
    "57014": StorageProblem.LOCKED,  # query_canceled: by a timeout of the server's
    "40": StorageProblem.LOCKED,  # deadlock, serialization failure
    "08": StorageProblem.AWAY,  # connection exceptions
    "53": StorageProblem.AWAY,  # insufficient resources
    "57P": StorageProblem.AWAY,  # shut down, starting up
    "58": StorageProblem.AWAY,  # system errors, such as its own I/O
}
_BY_ERRNO = {
    errno.ENOSPC: StorageProblem.FULL,
    errno.EDQUOT: StorageProblem.FULL,
    errno.EROFS: StorageProblem.READ_ONLY,
}


def problem_of(error: BaseException | None) -> StorageProblem | None:
    """Name the problem with the storage behind an error; None for every other kind of error.

    Django's database errors carry the driver's as their cause, which is what is judged. A missing table or a broken
    constraint is no problem of the storage: repeating the same later would not help.
    """
    while error is not None:
        if problem := _judge(error):
            return problem
        error = error.__cause__
    return None


def _judge(error: BaseException) -> StorageProblem | None:
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(code, int):
        return _BY_SQLITE_CODE.get(code & 0xFF)
    if hasattr(error, "sqlstate"):  # of psycopg, which is not installed everywhere
        return _judge_sqlstate(error)
    if isinstance(error, OSError):
        return _BY_ERRNO.get(error.errno or 0)
    return None


def _judge_sqlstate(error: BaseException) -> StorageProblem | None:
    state = getattr(error, "sqlstate", None)
    if state is None:
        # Without a state the error is the driver's own; these two kinds are about the connection.
        names = {kind.__name__ for kind in type(error).__mro__}
        return StorageProblem.AWAY if names & {"OperationalError", "InterfaceError"} else None
    return next((problem for prefix, problem in _BY_SQLSTATE.items() if state.startswith(prefix)), None)

"""Tell a storage that does not work at the moment (locked, full, read-only, unavailable) from every other error."""

import errno
from enum import StrEnum


class StorageProblem(StrEnum):
    """Why nothing can be stored; the value completes "Lumaweb could not save this: …"."""

    LOCKED = "another process has kept the database locked for too long"
    FULL = "the disk is full"
    READ_ONLY = "the database cannot be written to"
    UNAVAILABLE = "the database does not answer"


# SQLite's primary result codes: https://www.sqlite.org/rescode.html
_BY_SQLITE_CODE = {
    5: StorageProblem.LOCKED,  # SQLITE_BUSY
    6: StorageProblem.LOCKED,  # SQLITE_LOCKED
    8: StorageProblem.READ_ONLY,  # SQLITE_READONLY
    10: StorageProblem.UNAVAILABLE,  # SQLITE_IOERR
    13: StorageProblem.FULL,  # SQLITE_FULL
    14: StorageProblem.UNAVAILABLE,  # SQLITE_CANTOPEN
    15: StorageProblem.LOCKED,  # SQLITE_PROTOCOL: SQLite lost the race for the WAL too often
}
# PostgreSQL's states, the longest prefix first: https://www.postgresql.org/docs/current/errcodes-appendix.html
_BY_SQLSTATE = {
    "53100": StorageProblem.FULL,  # disk_full
    "25006": StorageProblem.READ_ONLY,  # read_only_sql_transaction
    "55P03": StorageProblem.LOCKED,  # lock_not_available
    "57014": StorageProblem.LOCKED,  # query_canceled: by a timeout of the server
    "40": StorageProblem.LOCKED,  # deadlock, serialization failure
    "08": StorageProblem.UNAVAILABLE,  # connection exceptions
    "53": StorageProblem.UNAVAILABLE,  # insufficient resources
    "57P": StorageProblem.UNAVAILABLE,  # shutting down, starting up
    "58": StorageProblem.UNAVAILABLE,  # system errors, such as I/O errors
}
_BY_ERRNO = {
    errno.ENOSPC: StorageProblem.FULL,
    errno.EDQUOT: StorageProblem.FULL,
    errno.EROFS: StorageProblem.READ_ONLY,
}


def storage_problem(error: BaseException | None) -> StorageProblem | None:
    """Return the storage problem that caused an error, or None for every other error.

    Django's database errors have the driver's error as their cause, which decides. A missing table or a violated
    constraint is not a storage problem, because a retry would not help.
    """
    while error is not None:
        if problem := _classify(error):
            return problem
        error = error.__cause__
    return None


def _classify(error: BaseException) -> StorageProblem | None:
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(code, int):
        return _BY_SQLITE_CODE.get(code & 0xFF)
    if hasattr(error, "sqlstate"):  # an error of psycopg, which SQLite installations may lack
        return _classify_sqlstate(error)
    if isinstance(error, OSError):
        return _BY_ERRNO.get(error.errno or 0)
    return None


def _classify_sqlstate(error: BaseException) -> StorageProblem | None:
    state = getattr(error, "sqlstate", None)
    if state is None:
        # Without a state the error comes from the driver itself; these two classes concern the connection.
        names = {kind.__name__ for kind in type(error).__mro__}
        return StorageProblem.UNAVAILABLE if names & {"OperationalError", "InterfaceError"} else None
    return next((problem for prefix, problem in _BY_SQLSTATE.items() if state.startswith(prefix)), None)

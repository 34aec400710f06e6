"""Explain an error of the database's driver: its cause in words, and what to do."""

import re
from typing import NamedTuple

from django.conf import settings

from .findings import Finding, fail


class Cause(NamedTuple):
    """A cause, recognized by a pattern in the driver's message. In `fix`, {variable} names the setting to correct."""

    pattern: str
    code: str
    title: str
    fix: str


CAUSES = (
    Cause(
        r"password authentication failed|no password supplied|authentication failed",
        "database-password",
        "The database refuses the user's password",
        "Correct the user and the password in DATABASE_URL.",
    ),
    Cause(
        r"role \"[^\"]*\" does not exist",
        "database-user",
        "The database does not know this user",
        "Correct the user in DATABASE_URL, or create it (CREATE ROLE … LOGIN PASSWORD …).",
    ),
    Cause(
        r"database \"[^\"]*\" does not exist",
        "database-name",
        "There is no database of this name on the server",
        "Correct the name in DATABASE_URL, or create the database (createdb --encoding UTF8 …).",
    ),
    Cause(
        r"permission denied|not permitted to log in|must be owner",
        "database-permission",
        "The user lacks permissions in the database",
        "Make this user the owner of the database (ALTER DATABASE … OWNER TO …), or correct the user in DATABASE_URL.",
    ),
    Cause(
        r"no pg_hba\.conf entry|pg_hba\.conf rejects",
        "database-access",
        "The database server does not accept connections from this machine",
        "Allow this machine, user and database in the server's pg_hba.conf, and reload it.",
    ),
    Cause(
        r"too many clients|remaining connection slots|too many connections",
        "database-connections",
        "The database server accepts no more connections",
        "Raise max_connections, or end programs that hold connections.",
    ),
    Cause(
        r"is starting up|is shutting down|in recovery mode",
        "database-starting",
        "The database server is starting or stopping",
        "Wait until the server is ready. Lumaweb connects again without a restart.",
    ),
    Cause(
        r"could not translate host name|failed to resolve|name or service not known|nodename nor servname",
        "database-host",
        "The name of the database server cannot be resolved",
        "Correct the host in DATABASE_URL, or add it to the DNS.",
    ),
    Cause(
        r"\bssl\b|certificate",
        "database-tls",
        "The encrypted connection to the database fails",
        "Correct sslmode and the certificates in DATABASE_URL, or the TLS settings of the server.",
    ),
    Cause(
        r"connection refused|no such file or directory",
        "database-refused",
        "Nothing listens where the database should be",
        "Start the database server, or correct the host and the port in DATABASE_URL.",
    ),
    Cause(
        r"timeout|timed out|no route to host|network is unreachable",
        "database-timeout",
        "The database server does not answer",
        "Check that the server runs, the firewall in between, and the host and the port in DATABASE_URL.",
    ),
    Cause(
        r"disk is full|no space left",
        "database-disk-full",
        "The disk of the database is full",
        "Free some space on the disk of the database. Lumaweb continues without a restart.",
    ),
    Cause(
        r"unable to open database file",
        "database-file",
        "The database file cannot be opened",
        "Allow the user that runs Lumaweb to read and write the data directory (LUMAWEB_DATA_DIR).",
    ),
    Cause(
        r"readonly database|read-only",
        "database-read-only",
        "The database cannot be written to",
        "Allow the user that runs Lumaweb to write to the database.",
    ),
    Cause(
        r"not a database|malformed",
        "database-damaged",
        "The database file is damaged",
        "Stop Lumaweb and restore the last backup.",
    ),
    Cause(
        r"locked",
        "database-locked",
        "Another process keeps the database locked",
        "End the process that holds the lock, such as a database browser.",
    ),
)
UNKNOWN = Cause(
    "",
    "database-error",
    "The database does not work",
    "Check DATABASE_URL, and that the database server runs and accepts connections from this machine.",
)


def explain(error: BaseException) -> Finding:
    """Return the finding for an error of the driver, with the driver's reason and without the password."""
    reason = driver_reason(error)
    cause = next((cause for cause in CAUSES if re.search(cause.pattern, reason, re.IGNORECASE)), UNKNOWN)
    place = f"on {_server()}" if settings.DATABASE_URL else f"in {settings.DATA_DIR}"
    fix = cause.fix
    if cause is UNKNOWN and not settings.DATABASE_URL:
        fix = "Allow the user that runs Lumaweb to read and write the data directory, and check its free space."
    message = f"The database {place} cannot be used: {reason or type(error).__name__}."
    return fail(cause.code, cause.title, message, f"{fix} Nothing is lost meanwhile.")


def driver_reason(error: BaseException) -> str:
    """Return the driver's reason as one line, without a full stop, its prefixes and the password."""
    text = " ".join(str(error).split())
    # psycopg tries each address of a host, and lists them; the last attempt says enough.
    text = re.split(r"Multiple connection attempts failed\.? All failures were:", text)[0] or text
    for prefix in ("FATAL: ", "ERROR: ", "failed: "):
        _, found, rest = text.rpartition(prefix)
        text = rest if found else text
    text = re.sub(r"(Connection refused|No such file or directory) Is the server running .*$", r"\1", text)
    text = re.sub(r"LINE \d+:.*$", "", text)
    password = str(settings.DATABASES["default"].get("PASSWORD") or "")
    if password:
        text = text.replace(password, "[redacted]")
    return text.strip().rstrip(".")[:300]


def _server() -> str:
    """Return the host and the port of the database server."""
    database = settings.DATABASES["default"]
    host = database.get("HOST") or "this machine"
    return f"{host}:{database['PORT']}" if database.get("PORT") else str(host)

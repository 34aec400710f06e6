"""Checks and changes that `serve` makes before it starts the other processes."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import DatabaseError, IntegrityError, transaction

from videos.models import ApiToken, Member

from .doctor.database_errors import UNKNOWN, explain
from .doctor.migrations import migrations_ahead, migrations_behind
from .migration_state import newer_migrations, pending_migrations


@contextmanager
def database_errors_in_words() -> Iterator[None]:
    """Raise an error of the database whose cause is known as CommandError, without a traceback."""
    try:
        yield
    except DatabaseError as error:
        finding = explain(error)
        if finding.code == UNKNOWN.code:
            raise
        raise CommandError(f"{finding.title}. {finding.message}\n  {finding.fix}") from None


def require_migrated() -> list[str]:
    """Return a warning if the database is newer than this version; raise CommandError if it is older."""
    if pending := pending_migrations():
        finding = migrations_behind(pending)
        raise CommandError(
            f"The database is not up to date. {finding.message} Run `manage.py migrate` once (on one machine, if there "
            "are several), then start again."
        )
    newer = newer_migrations()
    return [f"{migrations_ahead(newer).message} {migrations_ahead(newer).fix}"] if newer else []


def create_first_admin() -> None:
    """Create the admin that the environment names, if there is no member yet."""
    name, password = settings.ADMIN_USERNAME, settings.ADMIN_PASSWORD
    if not name or Member.objects.exists():
        return
    try:
        Member(username=name).clean_fields(exclude=["password"])
        with transaction.atomic():
            Member.objects.create_superuser(name, password=password)
    except ValidationError as error:
        raise CommandError(f"LUMAWEB_ADMIN_USERNAME is {name!r}: {' '.join(error.messages)}") from None
    except IntegrityError:
        if not Member.objects.filter(username=name).exists():  # else another machine has created it
            raise


def check_keys() -> list[str]:
    """Return warnings about API tokens that the encryption keys do not decrypt; raise CommandError if it decrypts none.

    If they decrypt some, Lumaweb starts: members can watch the saved videos and request new ones.
    """
    unreadable = ApiToken.objects.unreadable()
    ApiToken.objects.reenable_readable()
    if not unreadable:
        return []
    names = ", ".join(f"“{token.name}”" for token in unreadable)
    fix = "Add the key they were stored with to LUMAWEB_ENCRYPTION_KEYS (or to encryption-keys in the data directory)"
    if len(unreadable) == ApiToken.objects.count():
        raise CommandError(
            f"The encryption keys decrypt none of the stored API tokens: {names}. {fix} and start again. If that key "
            "is lost, start once with LUMAWEB_LUMA_TOKEN set to a token, and enter the others again on the Provider "
            "page."
        )
    return [
        f"The encryption keys do not decrypt these API tokens: {names}. {fix}, or enter them again on the Provider "
        "page."
    ]

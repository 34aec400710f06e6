"""List every URL of the installation, and create a team whose rows these URLs can name."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from videos import provider
from videos.models import (
    Backup,
    BackupState,
    Collection,
    ExternalIdentity,
    FoundTask,
    Frame,
    Generation,
    Invitation,
    Member,
    ProviderAccount,
    SearchOutcome,
    Share,
    TemporaryLink,
)
from videos.models.provider_account import Reading
from videos.password_links import password_link_tokens
from videos.sign_in_links import Purpose, path_for

from .factories import a_generation, a_member, a_result, a_token, an_admin, failure, running

NOBODY = "a" * 43  # a key that opens nothing


@dataclass(frozen=True)
class Address:
    """One pattern of the URL configuration, named with its namespace, or by its route if it has no name."""

    name: str
    route: str
    parameters: tuple[str, ...]

    @property
    def is_of_the_admin(self) -> bool:
        return self.route.startswith("admin/")


def addresses() -> list[Address]:
    return list(_under(get_resolver(), "", ""))


def _under(resolver: URLResolver, route: str, namespace: str) -> Iterator[Address]:
    for pattern in resolver.url_patterns:
        whole = route + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            space = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from _under(pattern, whole, space)
        elif isinstance(pattern, URLPattern):
            name = f"{namespace}{pattern.name}" if pattern.name else whole
            yield Address(name, whole, tuple(pattern.pattern.regex.groupindex))


QUIET = re.compile(
    r'\S+ (INTO |FROM )?"(django_session"|axes_)'
    r'|UPDATE "videos_member" SET "last_(seen_at|login)" = [^,]*$'
    r'|UPDATE "videos_share" SET "watched" = '
)


class Team:
    """Ada and what is hers, one row in each state; Ben, a colleague who has nothing; Root, an admin."""

    def __init__(self) -> None:
        self.ada, self.ben, self.root = a_member("ada"), a_member("ben"), an_admin("root")
        self.token = a_token("sandbox-token-of-the-team", "http://127.0.0.1:9")
        self.account = ProviderAccount.objects.connect(
            "platform-token-of-the-team", "http://127.0.0.1:9", self.root, warn_below=None, reading=Reading(5000)
        )
        self.frame = Frame.objects.create(
            sha256="0" * 64, file=a_file("frames/f.jpg"), width=4, height=4, size_bytes=6, member=self.ada
        )
        self.at_work = a_generation(self.ada, start_frame=self.frame)
        claim = self.at_work.claim()
        self.callback_key = claim.callback_url.rstrip("/").rpartition("/")[2]
        self.frame_key = self.at_work.request(claim, {}).start_image_url.rpartition("/")[2].removesuffix(".jpg")
        self.saved, self.trashed = self._finished("task-1"), self._finished("task-2")
        self.video_key = TemporaryLink.create_for("", self.at_work, video=self.saved)[len("/clips/") : -len(".mp4")]
        self.trashed.trash(self.ada)
        self.failed = self._sent()
        self.failed.record(failure("task-3"), "callback")
        self.lost = self._sent()
        self.lost.record(running("task-4"), "answer")
        self.lost.record(a_result("task-4"), "callback")
        self.lost.save_failed("The link answers 404.", for_good=True, retry_in=0)
        self.unconfirmed = self._sent()
        self.unconfirmed.mark_interrupted()
        listed = provider.ListedTask(provider.Result("task-offered"), None)
        offers = [FoundTask.objects.keep(self.token, listed)]
        self.unconfirmed.record_search(SearchOutcome.OFFERED, offers)
        self.queued = a_generation(self.ada)
        self.collection, _ = Collection.objects.named("Hers", self.ada)
        self.collection.add([self.saved], self.ada)
        self.invitation, self.invitation_key = Invitation.objects.invite(self.root)
        self.eve = a_member("eve", email="eve@example.com", email_changed_at=timezone.now())
        self.eve_s_token = password_link_tokens.make_token(self.eve)
        self.backup = Backup.objects.create(
            state=BackupState.DONE, finished_at=timezone.now(), path="/backups/database.tar"
        )
        self.sign_in_key = path_for(self.eve, Purpose.SIGN_IN).split("/")[2]
        self.identity = ExternalIdentity.objects.create(member=self.ada, issuer="https://login.example", subject="ada")
        ExternalIdentity.objects.create(member=self.ada, issuer="https://login.example", subject="her-other-account")
        self.share = Share.objects.create_for(self.saved, self.ada, days=7, chain=False, with_prompt=False)
        self.shared_set = Share.objects.create_for_videos(
            [self.saved],
            self.ada,
            days=7,
            title="Dailies",
            with_prompt=False,
            download=True,
            collection=self.collection,
        )

    def _sent(self) -> Generation:
        generation = a_generation(self.ada)
        assert generation.claim()
        return generation

    def _finished(self, task_id: str) -> Generation:
        generation = self._sent()
        generation.record(running(task_id), "answer")
        generation.record(a_result(task_id), "callback")
        name = f"videos/{task_id}"
        assert generation.saved(
            video_file=a_file(f"{name}.mp4", b"a" * 5000),
            thumbnail_file=a_file(f"{name}.jpg"),
            poster_file=a_file(f"{name}.webp"),
            sha256="0" * 64,
            size_bytes=5000,
            duration=5.0,
        )
        return generation

    def person(self, who: str) -> Member | AnonymousUser:
        return {"colleague": self.ben, "author": self.ada, "admin": self.root}.get(who, AnonymousUser())

    def client(self, who: str, **options) -> Client:
        client = Client(**options)
        if who != "nobody":
            client.force_login(self.person(who))
        return client


def a_file(name: str, content: bytes = b"\xff\xd8jpeg") -> str:
    return default_storage.save(name, ContentFile(content))


@contextmanager
def watching() -> Iterator[CaptureQueriesContext]:
    """Capture the queries. Django's log keeps some thousand; a full one would show none."""
    connection.queries_log.clear()
    with CaptureQueriesContext(connection) as queries:
        yield queries


def writes(queries: CaptureQueriesContext) -> list[str]:
    """Return the writes to the database, but for sessions, view counts, failed attempts and `last seen`."""
    said = (query["sql"] for query in queries.captured_queries)
    return [sql for sql in said if re.match("(INSERT|UPDATE|DELETE)", sql) and not QUIET.match(sql)]


def _about(name: str):
    return lambda team: {"uuid": getattr(team, name).uuid}


# Which row an address is asked about, where it is not the saved video.
ABOUT = {
    "cancellation": _about("queued"),
    "dismissal": _about("unconfirmed"),
    "adoption": _about("unconfirmed"),
    "retries": _about("failed"),
    "saving": _about("lost"),
    "restoration": _about("trashed"),
    "deletion": _about("trashed"),
    "frame": _about("frame"),
    "collection-renaming": _about("collection"),
    "collection-place": _about("collection"),
    "collection-removal": _about("collection"),
    "callback": lambda team: {"uuid": team.at_work.uuid, "key": team.callback_key},
    "provider-frame": lambda team: {"key": team.frame_key},
    "provider-video": lambda team: {"key": team.video_key},
    "guest": lambda team: {"uuid": team.share.uuid, "key": team.share.key},
    "guest-video": lambda team: {"uuid": team.share.uuid, "key": team.share.key, "video": team.saved.uuid},
    "guest-poster": lambda team: {"uuid": team.share.uuid, "key": team.share.key, "video": team.saved.uuid},
    "guest-zip": lambda team: {"uuid": team.share.uuid, "key": team.share.key},
    "shares-of-collection": _about("collection"),
    "share-revocation": _about("share"),
    "invitation": lambda team: {"key": team.invitation_key},
    "invitation-oidc": lambda team: {"key": team.invitation_key},
    "sign-in-link": lambda team: {"key": team.sign_in_key},
    "sign-in-link-oidc": lambda team: {"key": team.sign_in_key},
    "identity-removal": lambda team: {"pk": team.identity.pk},
    "invitation-revocation": _about("invitation"),
    "password_reset_confirm": lambda team: {
        "uidb64": urlsafe_base64_encode(force_bytes(team.eve.pk)),
        "token": team.eve_s_token,
    },
    **dict.fromkeys(
        ("member", "member-role", "member-activity", "member-limit", "member-email", "member-password"),
        lambda team: {"pk": team.eve.pk},
    ),
    **dict.fromkeys(("backup-verification", "backup-download"), lambda team: {"pk": team.backup.pk}),
    **dict.fromkeys(
        [f"provider-token-{action}" for action in ("activity", "check", "secret", "settings", "removal")],
        lambda team: {"pk": team.token.pk},
    ),
}


def path_of(address: Address, team: Team) -> str:
    """Return a URL for a real row of the team's."""
    if not address.is_of_the_admin:
        known = ABOUT.get(address.name, _about("saved"))(team)
        return reverse(address.name, kwargs={name: known[name] for name in address.parameters})
    if "<path:object_id>" in address.route:
        return "/" + address.route.replace("<path:object_id>", str(_row_of_the_admin(address, team)))
    if "(?P<url>" in address.route:
        return "/admin/nothing/here"
    known = {"app_label": "videos", "content_type_id": 1, "object_id": 1, "id": team.ada.pk, "pk": team.token.pk}
    return reverse(address.name, kwargs={name: known[name] for name in address.parameters})


def _row_of_the_admin(address: Address, team: Team) -> int:
    model = address.route.split("/")[2]
    rows = {"member": team.ada, "apitoken": team.token, "generation": team.saved, "event": team.saved.events.first()}
    rows |= {"collection": team.collection, "share": team.share}
    return rows[model].pk if model in rows else 0


# What is posted there that does something.
BODIES = {
    "adoption": lambda team: {"task": "task-offered"},
    "generations": lambda team: {"prompt": "A lighthouse"},
    "collections-of": lambda team: {"name": "Another", "in": [str(team.collection.uuid)]},
    "choice": lambda team: {"choice": "picked"},
    "collections": lambda team: {"name": "A new one"},
    "collection-renaming": lambda team: {"name": "Renamed"},
    "selection-stars": lambda team: {"v": [str(team.saved.uuid)]},
    "selection-collections": lambda team: {"v": [str(team.failed.uuid)], "into": str(team.collection.uuid)},
    "selection-trash": lambda team: {"v": [str(team.saved.uuid)]},
    "selection-restoration": lambda team: {"v": [str(team.trashed.uuid)]},
    "selection-retries": lambda team: {"v": [str(team.failed.uuid)]},
    "selection-zip": lambda team: {"v": [str(team.saved.uuid)]},
    "selection-share": lambda team: {"v": [str(team.saved.uuid)]},
    "selection-shares": lambda team: {"v": [str(team.saved.uuid)], "days": "7"},
    "shares-of": lambda team: {"days": "7"},
    "shares-of-collection": lambda team: {"days": "7"},
    "profile": lambda team: {"first_name": "Another"},
    "preferences": lambda team: {"theme": "dark"},
    "invitations": lambda team: {"email": ""},
    "member-role": lambda team: {"role": "admin"},
    "member-activity": lambda team: {"active": "0"},
    "member-email": lambda team: {"email": team.eve.email},
    "member-limit": lambda team: {"kind": "own", "limit": "5"},
    "provider-account-warning": lambda team: {"warn_below": "5"},
    "pricing": lambda team: {"per_generate": "no number"},
}

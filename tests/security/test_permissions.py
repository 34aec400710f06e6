"""Who may do what: every URL, by every method, in every role. A URL without a rule fails.

The words of the tables; but for `done`, nothing at all may be written:
    login, staff    led to the sign-in, or to the admin's
    seen            shown (200, or 204 where there is no news)
    done            done, and written
    same            answered like `done`, and nothing is changed
    403, 404, ...   just this status
"""

import re
import uuid
from collections.abc import Iterator
from copy import deepcopy

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.test import Client, TestCase
from django.urls import reverse

from videos.models import Collection, Generation, Member

from ..support.endpoints import BODIES, Address, Team, path_of, watching, writes
from ..support.factories import a_generation, a_member
from ..support.permission_rules import ADDRESSES, PEOPLE, RULES

pytestmark = pytest.mark.django_db

IN_JSON = {"callback": '{"success": true, "task_id": "task-9", "video_url": "https://example.com/v.mp4"}'}


@pytest.fixture(scope="module")
def team_of_all_tests(django_db_setup, django_db_blocker) -> Iterator[tuple[Team, dict[str, bytes]]]:
    """A team in a transaction that stays open, with the content of its files; each test runs in a savepoint of it."""
    with django_db_blocker.unblock():
        # Django's own attribute for this: it allows durable blocks inside.
        atomics = TestCase._enter_atomics()
        team = Team()
        files = [team.frame.file.name]
        for row in Generation.objects.exclude(video_file=""):
            files += [row.video_file.name, row.thumbnail_file.name, row.poster_file.name]
        yield team, {name: default_storage.open(name).read() for name in files}
        TestCase._rollback_atomics(atomics)


@pytest.fixture
def team(team_of_all_tests, db) -> Team:
    team, files = team_of_all_tests
    for name, content in files.items():
        # A savepoint does not restore files that the previous test deleted.
        if not default_storage.exists(name):
            assert default_storage.save(name, ContentFile(content)) == name
    return deepcopy(team)


def ask(client: Client, method: str, address: Address, team: Team, path: str = ""):
    """Return the complete response and its writes, then roll back."""
    data = BODIES.get(address.name, lambda _: {})(team)
    options = {}
    if method == "POST":
        options = {"data": IN_JSON.get(address.name, data)}
        options |= {"content_type": "application/json"} if address.name in IN_JSON else {}
    before = transaction.savepoint()
    try:
        with watching() as queries:
            answer = getattr(client, method.lower())(path or path_of(address, team), **options)
            if answer.streaming:
                answer.streamed = b"".join(answer.streaming_content)
        return answer, writes(queries)
    finally:
        transaction.savepoint_rollback(before)


def word_for(answer, written: list[str]) -> set[str]:
    """Return all results of the rules that this response matches."""
    status, place = answer.status_code, answer.headers.get("Location", "")
    words = {str(status)}
    to_a_sign_in = {"/login/?": "login", "/admin/login/?": "staff"}
    words |= {word for start, word in to_a_sign_in.items() if status == 302 and place.startswith(start)}
    if words & {"login", "staff"}:
        words.add("closed")
    elif status in (200, 302, 204):
        words |= {"same"} if status == 302 else {"same", "seen"}
    if written:
        words = {"done"} if status in (200, 302, 204) else set()
    return words


def test_every_url_has_a_rule_and_every_rule_a_url():
    there = {address.name for address in ADDRESSES}
    assert there - RULES.keys() == set(), "say in tests/support/permission_rules.py who may do what there"
    assert RULES.keys() - there == set()


@pytest.mark.parametrize("address", ADDRESSES, ids=lambda address: address.name)
def test_everyone_may_do_exactly_what_the_rules_allow(team, address):
    rule = RULES.get(address.name) or pytest.fail("not listed")
    clients = {who: team.client(who) for who in PEOPLE}
    for (method, who), word in rule.items():
        answer, written = ask(clients[who], method, address, team)
        found = word_for(answer, written)
        if word == "leaves":
            assert found & {"closed", "302", "done"}
        else:
            assert word in found, f"{method} as {who}: {found or answer.status_code} {written}"


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE"])
def test_no_other_method_changes_anything(team, method):
    for who in ("nobody", "admin"):
        client = team.client(who)
        for address in ADDRESSES:
            answer, written = ask(client, method, address, team)
            assert not written, f"{address.name} as {who}"
            assert answer.status_code < 500 or address.name == "readyz", f"{address.name} as {who}"


def test_existing_and_missing_rows_look_the_same_without_a_session(team):
    nowhere = str(uuid.UUID(int=0))
    clients = {who: team.client(who) for who in PEOPLE}
    for address in (address for address in ADDRESSES if "uuid" in address.parameters):
        known = path_of(address, team)
        unknown = known.replace(str(re.search("[0-9a-f-]{36}", known)[0]), nowhere)
        for method in ("GET", "POST"):
            for who in PEOPLE[1:]:
                answer, written = ask(clients[who], method, address, team, unknown)
                assert answer.status_code in (403, 404, 405) and not written, f"{method} {address.name} as {who}"
            answer, _ = ask(clients["nobody"], method, address, team, unknown)
            assert answer.status_code in (302, 404, 405), f"{method} {address.name}"
            if answer.status_code == 302:
                assert answer["Location"] == f"/login/?next={unknown}"


# ── What a colleague does not undo ───────────────────────────────────────────────────────────────────────────────────

OF_A_SELECTION = {"selection-trash": "saved", "selection-retries": "failed", "selection-restoration": "trashed"}

ONE_S_OWN = {
    "cancellation": "queued",
    "dismissal": "unconfirmed",
    "adoption": "unconfirmed",
    "retries": "failed",
    "saving": "lost",
    "move-to-trash": "saved",
    "restoration": "trashed",
    "deletion": "trashed",
}


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}], ids=["plain", "htmx"])
@pytest.mark.parametrize(("name", "row"), [*ONE_S_OWN.items(), *OF_A_SELECTION.items()])
@pytest.mark.parametrize(("who", "may"), [("nobody", False), ("colleague", False), ("author", True), ("admin", True)])
def test_only_the_author_and_admins_can_undo_or_retry_a_video(team, name, row, headers, who, may):
    generation = getattr(team, row)
    path = reverse(name, args=[] if name in OF_A_SELECTION else [generation.uuid])
    before = facts_of(generation)
    team.client(who).post(path, {"v": [str(generation.uuid)], "task": "task-offered"}, headers=headers)
    assert (facts_of(generation) != before) is may


def facts_of(generation: Generation) -> tuple:
    row = Generation.objects.filter(pk=generation.pk).values().get()
    return row, generation.retries.count(), generation.events.count(), generation.stars.count()


def test_only_the_author_and_admins_can_revoke_a_link(team):
    path = reverse("share-revocation", args=[team.share.uuid])
    for who in ("nobody", "colleague"):
        team.client(who).post(path)
        assert team.client("nobody").get(team.share.secret_path).status_code == 200
    team.client("author").post(path)
    assert team.client("nobody").get(team.share.secret_path).status_code == 404


def test_only_the_author_and_admins_can_delete_a_collection(team):
    path = reverse("collection-removal", args=[team.collection.uuid])
    for who in ("nobody", "colleague"):
        team.client(who).post(path)
        assert Collection.objects.exists()
    team.client("author").post(path)
    assert not Collection.objects.exists()


def test_a_mixed_selection_trashes_only_the_member_s_own_videos(team):
    own = a_generation(team.ben)
    team.client("colleague").post("/selection/trash/", {"v": [str(own.uuid), str(team.saved.uuid)]})
    assert list(Generation.objects.filter(trashed_by=team.ben)) == [own]


RIGHTS = ("is_superuser", "is_staff", "is_active", "own_limit", "monthly_limit")


def test_no_member_can_grant_themselves_a_right(team):
    """No form that a member may send accepts such a field."""
    wanted = {"is_superuser": "on", "is_staff": "on", "is_active": "on", "own_limit": "on", "role": "admin"}
    wanted |= {"kind": "none", "limit": "", "monthly_limit": "", "per_generate": "0", "as_admin": "on"}
    client = team.client("colleague")
    before = Member.objects.filter(pk=team.ben.pk).values_list(*RIGHTS).get()
    for address in ADDRESSES:
        path = path_of(address, team).replace(f"/team/{team.eve.pk}/", f"/team/{team.ben.pk}/")
        if address.name != "logout" and RULES[address.name]["POST", "colleague"] != "leaves":
            client.post(path, BODIES.get(address.name, lambda _: {})(team) | wanted)
    assert Member.objects.filter(pk=team.ben.pk).values_list(*RIGHTS).get() == before
    assert client.get("/team/changes/").status_code == 403


def test_stars_belong_to_the_member(team):
    team.client("author").post(reverse("star", args=[team.saved.uuid]))
    for data in ({"on": "0"}, {}):
        team.client("colleague").post(reverse("star", args=[team.saved.uuid]), data)
        assert team.saved.stars.filter(member=team.ada).exists()


def test_members_see_nothing_of_a_colleague_s_trash(team):
    Generation.objects.filter(pk=team.trashed.pk).update(prompt="A thing to be forgotten")
    for who, sees in (("colleague", False), ("author", True), ("admin", True)):
        client = team.client(who)
        assert (b"A thing to be forgotten" in client.get("/trash/").content) is sees
        for name in ("video", "thumbnail", "poster"):
            status = client.get(reverse(name, args=[team.trashed.uuid])).status_code
            assert status == (200 if sees else 404), f"{name} as {who}"
        page = client.get(reverse("generation", args=[team.trashed.uuid]))
        assert page.status_code == 404 and b"A thing to be forgotten" not in page.content


def test_an_extension_does_not_show_the_prompt_of_a_trashed_source(team):
    source = a_generation(team.ada, prompt="A thing to be forgotten", state="completed", video_id="v-1")
    one, other = (a_generation(team.ben, action="extend", parent=source, state="completed") for _ in range(2))
    colleague = team.client("colleague")
    paths = [f"/generations/{one.uuid}/", f"/generations/{other.uuid}/", f"/generations/{one.uuid}/reuse/"]
    assert all(b"A thing to be forgotten" in colleague.get(path).content for path in paths)
    source.trash(team.ada)
    for path in paths:
        assert b"A thing" not in colleague.get(path).content, path


# ── Who somebody is ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_form_of_another_site_changes_nothing(team):
    for who in ("nobody", "admin"):
        client = team.client(who, enforce_csrf_checks=True)
        for address in ADDRESSES:
            if address.name == "callback":
                continue  # the provider has a key instead
            answer, written = ask(client, "POST", address, team)
            assert answer.status_code in (302, 403, 404, 405) and not written, f"{address.name} as {who}"


def test_a_deactivated_member_has_no_access(team):
    client = team.client("author")
    type(team.ada).objects.filter(pk=team.ada.pk).update(is_active=False)
    for address in ADDRESSES:
        word = RULES[address.name]["GET", "nobody"]
        answer, written = ask(client, "GET", address, team)
        assert word in word_for(answer, written) or word == "leaves", address.name


def test_staff_without_permissions_see_no_rows_in_the_admin(team):
    client = Client()
    client.force_login(a_member("staff", is_staff=True))
    rows = [address for address in ADDRESSES if address.is_of_the_admin and "_" in address.name.rpartition(":")[2]]
    for address in rows:
        if address.name in ("admin:password_change", "admin:password_change_done", "admin:view_on_site"):
            continue
        for method in ("GET", "POST"):
            answer, written = ask(client, method, address, team)
            assert answer.status_code in (302, 403, 404, 405) and not written, f"{method} {address.name}"

"""Bulk pages of the admin: delete the collections and revoke the links of one member."""

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.urls import reverse

from videos.models import AuditEntry, Collection, Member, Share

from ..support.factories import a_member, an_admin
from ..support.saved_videos import a_saved_one

pytestmark = pytest.mark.django_db
COLLECTIONS, LINKS = "admin:videos_collection_changelist", "admin:videos_share_changelist"


@pytest.fixture
def flood() -> Member:
    """Create more than a page of collections and links of one member, and one of each of a colleague."""
    eve, ada, video = a_member("eve"), a_member("ada"), a_saved_one(prompt="video")
    for number in range(120):
        Collection.objects.named(f"flood {number}", eve)
    Collection.objects.named("Client A", ada)[0].add([video], ada)
    for member, count in ((eve, 105), (ada, 1)):
        for _ in range(count):
            Share.objects.create_for(video, member, days=7, chain=False, with_prompt=False)
    return eve


def selected(action: str, first) -> dict:
    """Return the primary keys of all pages of a filtered list."""
    return {"action": action, "select_across": "1", "index": "0", ACTION_CHECKBOX_NAME: [first.pk]}


def test_an_admin_deletes_all_collections_of_one_member_at_once(client, flood):
    client.force_login(an_admin())
    address = f"{reverse(COLLECTIONS)}?created_by__id__exact={flood.pk}"
    assert client.get(address).content.decode().count('class="action-select"') == 100
    sent = selected("delete_selected", flood.collections.first())
    assert "Are you sure" in client.post(address, sent).content.decode()
    client.post(address, sent | {"post": "yes"})
    assert list(Collection.objects.values_list("name", flat=True)) == ["Client A"]
    assert AuditEntry.objects.filter(text="120 collections were deleted at once.").exists()


def test_an_admin_revokes_all_links_of_one_member_at_once(client, flood):
    client.force_login(an_admin())
    address = f"{reverse(LINKS)}?shared_by__id__exact={flood.pk}"
    page = client.get(address).content.decode()
    assert page.count('class="action-select"') == 100
    assert not any(share.key in page for share in flood.shares.all()), "no page shows what opens one"
    client.post(address, selected("revoke", flood.shares.first()))
    assert [share.shared_by.username for share in Share.objects.live()] == ["ada"]
    assert AuditEntry.objects.filter(text="105 links for guests were revoked at once.").exists()


@pytest.mark.parametrize("name", [COLLECTIONS, LINKS])
@pytest.mark.parametrize("staff", [False, True])
def test_only_admins_reach_the_bulk_pages(client, flood, name, staff):
    client.force_login(a_member("ben", is_staff=staff))
    for answer in (client.get(reverse(name)), client.post(reverse(name), {"action": "delete_selected"})):
        assert answer.status_code in (302, 403)
    assert (Collection.objects.count(), Share.objects.live().count()) == (121, 106)


def test_the_team_page_links_admins_to_the_bulk_pages(client, flood):
    client.force_login(an_admin())
    assert f'href="{reverse(COLLECTIONS)}"' in client.get("/collections/").content.decode()
    assert f'href="{reverse(LINKS)}"' in client.get(reverse("shares")).content.decode()
    client.force_login(flood)
    assert reverse(COLLECTIONS) not in client.get("/collections/").content.decode()


def test_the_admin_has_no_pages_for_the_queue_or_groups(client):
    client.force_login(an_admin())
    index = client.get(reverse("admin:index")).content.decode()
    for path in ("django_q/", "auth/group/"):
        assert f"/admin/{path}" not in index
        assert client.get(f"/admin/{path}").status_code == 404

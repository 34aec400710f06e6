"""The command menu's list: pages, settings by role, members and collections."""

import pytest

from videos.models import Collection

from ..support.factories import a_member, an_admin

HTMX = {"HX-Request": "true"}
FOR_ADMINS = ("/provider/", "/settings/health/", "/team/changes/", "/team/shares/", "/admin/")


@pytest.fixture
def ada(db, client):
    ada = a_member()
    client.force_login(ada)
    return ada


def test_members_see_pages_members_and_collections_and_no_page_for_admins(client, ada):
    a_member("zoé", first_name="Zoé", last_name="<b>Łuczak</b>")
    a_member("gone", is_active=False)
    collection, _ = Collection.objects.named("雪山", ada)
    text = client.get("/commands/", headers=HTMX).content.decode()
    for address in ("/trash/", "/usage/", "/profile/", "/team/", "/?starred=1", collection.get_absolute_url()):
        assert f'href="{address}"' in text, address
    assert "Zoé &lt;b&gt;Łuczak&lt;/b&gt;" in text
    assert "/?member=zo%C3%A9" in text
    assert "gone" not in text
    for address in FOR_ADMINS:
        assert f'href="{address}"' not in text, address


def test_admins_see_the_pages_for_admins(client, db):
    client.force_login(an_admin())
    text = client.get("/commands/", headers=HTMX).content.decode()
    for address in FOR_ADMINS:
        assert f'href="{address}"' in text, address
        assert client.get(address).status_code == 200, address


def test_every_link_of_the_list_leads_to_a_page(client, ada):
    Collection.objects.named("Lakes", ada)
    text = client.get("/commands/").content.decode()
    main = text[text.index("commands-page") : text.index("</main>")]
    links = [part.split('"')[0].replace("&amp;", "&") for part in main.split('href="')[1:]]
    pages = [link for link in links if link.startswith("/")]
    assert len(pages) > 10
    for link in pages:
        assert client.get(link.split("#")[0]).status_code == 200, link


def test_the_number_of_queries_does_not_grow_with_the_names(client, ada, django_assert_max_num_queries):
    for number in range(30):
        a_member(f"member{number}")
        Collection.objects.named(f"Collection {number}", ada)
    with django_assert_max_num_queries(6):
        client.get("/commands/", headers=HTMX)


def test_a_link_to_a_deleted_collection_or_an_unknown_member_says_so(client, ada):
    collection, _ = Collection.objects.named("Lakes", ada)
    address = collection.get_absolute_url()
    assert "was deleted" not in client.get(address).content.decode()
    collection.delete()
    assert "This collection was deleted." in client.get(address).content.decode()
    assert "There is no member with this name." in client.get("/?member=nobody").content.decode()
    # A fragment does not keep it for the next page.
    client.get(address, headers=HTMX | {"HX-Target": "gallery"})
    assert "was deleted" not in client.get("/").content.decode()

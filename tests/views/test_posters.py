"""Every list of posters shows their dominant colors until they load."""

import re

import pytest
from django.test import Client

from videos.models import Collection, Generation, Share

from ..support.factories import an_admin
from ..support.saved_videos import a_saved_one

pytestmark = pytest.mark.django_db

COLOR = "#204080"
POSTER = re.compile(rf'<svg color="{COLOR}" aria-hidden="true"></svg><img src="[^"]+poster/?" ')


@pytest.fixture
def pages() -> dict[str, str]:
    """Return the HTML of every page that lists two videos, by name."""
    ada = an_admin("ada")
    first, second, trashed = (a_saved_one(member=ada, prompt=f"Video number {number}") for number in (1, 2, 3))
    Generation.objects.update(poster_color=COLOR, size_bytes=1000)
    Generation.objects.filter(pk=second.pk).update(parent=first, action="extend")
    trashed.trash(ada)
    collection, _ = Collection.objects.named("Client A", ada)
    collection.add([first, second], ada)
    share = Share.objects.create_for_videos([first, second], ada, days=7, with_prompt=False, title="", download=False)
    member, guest = Client(), Client()
    member.force_login(ada)
    addresses = {
        "gallery": "/",
        "chain": f"/generations/{second.uuid}/",
        "picker for an extension": "/clips/?side=extend",
        "picker for a frame": "/clips/?side=start",
        "trash": "/trash/",
        "collections": "/collections/",
        "storage": "/settings/storage/",
        "form for a link": f"/collections/{collection.uuid}/shares/",
    }
    pages = {name: member.get(address).content.decode() for name, address in addresses.items()}
    return pages | {"guest page": guest.get(share.secret_path).content.decode()}


def test_every_list_of_posters_shows_their_colors(pages):
    counts = {name: len(POSTER.findall(html)) for name, html in pages.items()}
    assert counts == dict.fromkeys(pages, 2) | {"trash": 1}
    for name, html in pages.items():
        wrapped = html.count('class="poster"') + html.count(' poster"')
        assert wrapped == counts[name], name

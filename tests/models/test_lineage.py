"""The tree and the timeline of a video."""

from datetime import timedelta

import pytest
from django.utils import timezone

from videos.models import Event, Generation
from videos.models.lineage import ABOVE, SHOWN, Lineage
from videos.views.timeline import in_words, summary_of, timeline_of

from ..support.factories import a_generation, a_member

pytestmark = pytest.mark.django_db

LINES = {"": "   ", "past": "│  ", "fork": "├─ ", "end": "└─ "}


def grown(shape: dict[str, str]) -> dict[str, Generation]:
    """Create videos by name, each with its parent's name ("" for none)."""
    videos = {}
    for name, parent in shape.items():
        videos[name] = a_generation(prompt=name, parent=videos.get(parent), action="extend" if parent else "generate")
    return videos


def drawn(lineage: Lineage) -> str:
    return "\n".join(
        "".join(LINES[line] for line in branch.lines) + "  ".join(video.prompt for video in branch.videos)
        for branch in lineage.branches
    )


def test_each_branch_has_a_line_and_no_lines_cross():
    videos = grown({"a": "", "b": "a", "c": "b", "d": "c", "e": "b", "f": "b", "g": "a", "h": "g", "i": "e", "j": "e"})
    assert drawn(Lineage.of(videos["c"])) == (
        "a  b  c  d\n"
        "│  ├─ e  i\n"
        "│  │  └─ j\n"
        "│  └─ f\n"
        "└─ g  h"
    )  # fmt: skip


def test_the_video_s_own_line_comes_first():
    videos = grown({"a": "", "b": "a", "c": "a", "d": "c"})
    assert drawn(Lineage.of(videos["d"])) == "a  c  d\n└─ b"
    assert [row.prompt for row in Lineage.of(videos["d"]).path] == ["a", "c", "d"]


def test_a_video_without_relatives_has_no_tree():
    videos = grown({"a": "", "b": "a"})
    assert not Lineage.of(videos["a"]).is_alone
    assert Lineage.of(a_generation()).is_alone


def test_a_trashed_video_is_shown_only_if_others_extend_it():
    videos = grown({"a": "", "b": "a", "c": "b", "d": "a"})
    Generation.objects.filter(prompt__in=["b", "d"]).update(trashed_at=timezone.now())
    assert drawn(Lineage.of(videos["a"])) == "a  b  c"
    Generation.objects.filter(prompt="c").update(trashed_at=timezone.now())
    assert drawn(Lineage.of(videos["a"])) == "a"


def test_a_long_chain_with_many_branches_costs_three_queries(django_assert_max_num_queries):
    videos = grown({str(n): str(n - 1) if n else "" for n in range(ABOVE + 10)})
    deepest = videos[str(ABOVE + 9)]
    parent = videos[str(ABOVE + 8)]
    for _ in range(30):
        a_generation(prompt="branch", parent=parent)
    deepest.refresh_from_db()
    with django_assert_max_num_queries(3):
        lineage = Lineage.of(deepest)
    assert len(lineage.path) == ABOVE + 1
    assert len(lineage.branches) == 31


def test_a_large_tree_is_truncated_but_shows_this_video_s_extensions(django_assert_max_num_queries):
    root = a_generation()
    for _ in range(SHOWN + 20):
        a_generation(prompt="branch", parent=root)
    last = Generation.objects.order_by("-pk").first()
    a_generation(prompt="the child", parent=last)
    with django_assert_max_num_queries(4):
        lineage = Lineage.of(last)
    assert lineage.is_cut
    assert [row.pk for row in lineage.path] == [root.pk, last.pk]
    assert "the child" in drawn(lineage)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (12, "12 s"), (60, "1 min"), (192, "3 min 12 s"), (7500, "2 h 5 min"), (400_000, "4 days")],
)
def test_durations_are_rounded_by_their_length(seconds, words):
    assert in_words(timedelta(seconds=seconds)) == words


def test_the_timeline_shows_the_duration_of_each_step_and_the_source_of_the_result():
    generation = a_generation()
    now = timezone.now()
    for kind, after in (("claimed", 3), ("accepted", 4), ("completed", 80), ("saved", 82)):
        event = generation.events.create(kind=kind)
        Event.objects.filter(pk=event.pk).update(at=now + timedelta(seconds=after))
    generation.events.filter(kind="submitted").update(at=now)
    for field, after in (("created_at", 0), ("submitted_at", 3), ("accepted_at", 4), ("finished_at", 80)):
        setattr(generation, field, now + timedelta(seconds=after))
    generation.state, generation.archive, generation.result_channel = "completed", "saved", "callback"
    events = timeline_of(generation)
    assert [entry.delay for entry in events] == ["", "3 s later", "1 s later", "1 min 16 s later", "2 s later"]
    assert summary_of(generation, events) == (
        "Waited 3 s, 1 min 16 s at the provider, saved after 2 s. The result arrived by callback."
    )


def test_the_page_of_a_video_links_back_by_its_dialog(client):
    member = a_member("eve")
    client.force_login(member)
    generation = a_generation(member)
    address = f"{generation.get_absolute_url()}cancellation/"
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{generation.get_absolute_url()}?q=fox"}
    answer = client.post(address, {"from": "dialog"}, headers=headers)
    text = answer.content.decode()
    assert f'id="video-{generation.uuid}"' in text
    assert f'id="generation-{generation.uuid}"' in text
    again = client.post(f"{generation.get_absolute_url()}trash/", {"from": "dialog"}, headers=headers)
    assert "HX-Redirect" not in again.headers
    assert "Undo" in again.content.decode()

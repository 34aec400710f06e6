"""The team's order of collections, and videos that are added while a collection is deleted."""

import threading

import pytest
from django.db import connection

from videos.models import Collection, CollectionGone, Generation, Submission

from ..support.factories import a_generation, a_member


def collections(*names: str) -> list[Collection]:
    member = a_member()
    # A new collection is put first.
    made = {name: Collection.objects.named(name, member)[0] for name in reversed(names)}
    return [made[name] for name in names]


def order() -> str:
    return "".join(Collection.objects.in_order().values_list("name", flat=True))


@pytest.mark.django_db
def test_a_collection_is_moved_before_and_behind_others_and_by_steps():
    a, b, c, d = collections("A", "B", "C", "D")
    assert order() == "ABCD"
    Collection.objects.move(d, before=b)
    assert order() == "ADBC"
    Collection.objects.move(a, behind=c)
    assert order() == "DBCA"
    Collection.objects.step(c, 1)
    Collection.objects.step(d, -1)
    Collection.objects.step(c, 1)
    assert order() == "DBAC"
    Collection.objects.move(b, before=b)
    assert order() == "DBAC"
    assert Collection.objects.named("E", a.created_by)[0].position < Collection.objects.get(name="D").position
    assert order() == "EDBAC"


@pytest.mark.django_db
def test_a_deleted_collection_takes_no_videos_and_is_no_place():
    a, b = collections("A", "B")
    stale = Collection.objects.get(pk=a.pk)
    a.delete()
    video = a_generation(b.created_by)
    with pytest.raises(CollectionGone):
        stale.add([video], b.created_by)
    with pytest.raises(CollectionGone):
        Collection.objects.move(b, before=stale)
    with pytest.raises(CollectionGone):
        Collection.objects.step(stale, 1)
    assert order() == "B"


@pytest.mark.django_db
def test_a_retry_is_in_the_collections_of_the_failed_video():
    one, two, other = collections("One", "Two", "Other")
    failed, member = a_generation(one.created_by), one.created_by
    Generation.objects.filter(pk=failed.pk).update(state="failed")
    failed.refresh_from_db()
    one.add([failed], member)
    two.add([failed], member)
    submission, is_new = Submission.objects.retry(failed, member)
    again, is_new_again = Submission.objects.retry(failed, member)
    assert (is_new, is_new_again, again) == (True, False, submission)
    assert {row.name for row in submission.generations.get().collections.all()} == {"One", "Two"}
    assert not other.generations.exists()


@pytest.mark.django_db(transaction=True)
def test_members_who_arrange_and_add_at_the_same_time_lose_nothing():
    rows = collections(*"ABCDEFGH")
    member, videos = rows[0].created_by, [a_generation(rows[0].created_by, prompt=f"video {n}") for n in range(4)]
    errors: list[Exception] = []

    def together(act, *args, **options) -> threading.Thread:
        def run() -> None:
            try:
                act(*args, **options)
            except Exception as error:
                errors.append(error)
            finally:
                connection.close()

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    threads = [together(Collection.objects.move, row, before=rows[0]) for row in rows[4:]]
    threads += [together(rows[1].add, [video], member) for video in videos]
    threads.append(together(Collection.objects.named, "New", member))
    for thread in threads:
        thread.join(30)
    assert not errors
    assert order().replace("New", "N")[0] == "N"
    assert sorted(order().removeprefix("New")) == list("ABCDEFGH")
    # In any order of arrival, each member's collection is before A.
    assert set(order().removeprefix("New").partition("A")[0]) == set("EFGH")
    assert rows[1].generations.count() == 4

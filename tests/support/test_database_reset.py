"""After a test that commits, the database is as Django's flush would leave it."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection

from videos.models import Collection, Generation

from . import database_reset
from .factories import a_generation, a_token, an_admin

pytestmark = pytest.mark.django_db(transaction=True)


def a_used_database() -> None:
    a_token()
    generation = a_generation()
    assert generation.claim()
    collection, _ = Collection.objects.named("Rain", generation.member)
    collection.add([generation], generation.member)
    group = Group.objects.create(name="clerks")
    group.permissions.set(Permission.objects.all())
    an_admin().groups.add(group)


def rows_by_table() -> dict[str, int]:
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    with connection.cursor() as cursor:
        counts = {}
        for name in names:
            cursor.execute(f"SELECT COUNT(*) FROM {connection.ops.quote_name(name)}")
            counts[name] = cursor.fetchone()[0]
    return counts


def what_stays() -> tuple[set, set]:
    permissions = Permission.objects.values_list("content_type__app_label", "content_type__model", "codename")
    return set(ContentType.objects.values_list("app_label", "model")), set(permissions)


def test_an_emptied_database_is_like_a_flushed_one():
    a_used_database()
    assert sum(rows_by_table().values()) > sum(rows_by_table()[name] for name in database_reset.KEPT) + 10
    database_reset.empty()
    emptied = rows_by_table(), what_stays()
    a_used_database()
    call_command("flush", interactive=False, verbosity=0)
    assert emptied == (rows_by_table(), what_stays())
    assert {name for name, count in emptied[0].items() if count} == database_reset.KEPT


def test_an_emptied_database_has_an_empty_search_index():
    a_used_database()
    assert Generation.objects.search("volcano").exists()
    database_reset.empty()
    a_used_database()
    assert Generation.objects.search("volcano").count() == 1


@pytest.mark.parametrize("time", ["first", "second"])
def test_a_test_that_commits_sees_no_rows_of_the_previous_one(time):
    assert {name for name, count in rows_by_table().items() if count} == database_reset.KEPT
    a_used_database()

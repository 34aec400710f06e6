"""ZIP archives of videos in a bucket."""

import io
import zipfile

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from videos.models import Generation

from ...support.bucket import saved
from ...support.factories import a_generation

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_selection_becomes_one_archive_that_names_missing_files(client, ada, stub, token, mp4, bucket):
    fox, gone = saved(stub, mp4, prompt="a fox"), saved(stub, mp4, prompt="a goose")
    default_storage.delete(gone.video_file.name)
    answer = client.post("/selection/zip/", {"v": [str(fox.uuid), str(gone.uuid)]})
    data = b"".join(answer.streaming_content)
    assert len(data) == int(answer["Content-Length"])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == [f"a-fox-{fox.uuid.hex[:8]}.mp4", "not-included.txt"]
        assert archive.read(archive.namelist()[0]) == mp4
        assert "a goose" in archive.read("not-included.txt").decode()


def test_an_archive_ends_early_if_a_video_vanishes(client, ada, stub, token, mp4, bucket):
    one, other = saved(stub, mp4), saved(stub, mp4)
    answer = client.post("/selection/zip/", {"v": [str(one.uuid), str(other.uuid)]})
    pieces = iter(answer.streaming_content)
    next(pieces)
    for generation in (one, other):
        default_storage.delete(generation.video_file.name)
    with pytest.raises(FileNotFoundError):
        list(pieces)


def test_an_archive_checks_all_videos_first_and_reads_each_in_turn(client, ada, s3, bucket):
    rows = []
    name = default_storage.save("videos/one.mp4", ContentFile(bytes(1000)))
    for number in range(200):
        rows.append(a_generation(ada, prompt=f"video {number}"))
        facts = {"state": "completed", "archive": "saved", "video_file": name, "size_bytes": 1000}
        Generation.objects.filter(pk=rows[-1].pk).update(**facts)
    s3.asked.clear()
    answer = client.post("/selection/zip/", {"v": [str(row.uuid) for row in rows]})
    assert [method for method, _ in s3.asked] == ["HEAD"] * 200
    data = b"".join(answer.streaming_content)
    assert len(zipfile.ZipFile(io.BytesIO(data)).namelist()) == 200
    assert [method for method, _ in s3.asked].count("GET") == 200

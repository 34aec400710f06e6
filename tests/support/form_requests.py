"""Requests of the form, and pictures to upload with it."""

import io

from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from videos.models import Generation

from .factories import a_generation, a_result, running

HTMX = {"HX-Request": "true"}


def a_picture(size=(64, 48), kind="PNG", mode="RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, "teal").save(out, kind)
    return out.getvalue()


def upload(data: bytes, name="frame.png", content_type="image/png"):
    return SimpleUploadedFile(name, data, content_type)


def asked(**fields):
    return {"prompt": "Astronauts shuttle from space to volcano", "aspect_ratio": "16:9"} | fields


def completed(token, **settings) -> Generation:
    generation = a_generation(**settings)
    generation.claim()
    generation.record(running(f"task-{generation.pk}"), "answer")
    generation.record(a_result(f"task-{generation.pk}", video_id=f"video-{generation.pk}"), "callback")
    return generation

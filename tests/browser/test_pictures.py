"""Pictures as people bring them: the tile shows what the server keeps, and that looks like what the browser shows."""

import base64
import io
import struct

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from ..support import pictures as files
from ..support.pictures import chunk, encoded, gradient, iccp, jpeg, png

# Returns the pixels of a file as the browser draws them, on black; null if it cannot.
DRAW = """async content => {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    const image = new Image();
    image.src = URL.createObjectURL(new Blob([bytes]));
    try { await image.decode(); } catch { return null; }
    const { naturalWidth: width, naturalHeight: height } = image;
    const context = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
    context.fillRect(0, 0, width, height);
    context.drawImage(image, 0, 0);
    return { width, height, data: [...context.getImageData(0, 0, width, height).data] };
}"""
COLOURS = np.asarray(gradient(), dtype=float)
RAMP = np.tile(np.linspace(0, 65_535, 64).round().astype(np.uint16), (48, 1))
OPACITY = np.linspace(0, 255, 64).astype(np.uint8)[None].repeat(48, axis=0)
P3 = files.rgb_profile(files.DISPLAY_P3)
SIDEWAYS = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
TURNED = np.asarray(gradient().transpose(Image.Transpose.ROTATE_270), dtype=float)
MOVING = encoded(gradient().quantize(64), "GIF", save_all=True, append_images=[Image.new("L", files.SIZE)])
# Name, type as a browser or a script may claim, content, and what it looks like if this browser cannot draw it.
BROUGHT = [
    ("photo.jfif", "", jpeg(gradient()), None),
    ("P3.JPG", "image/jpeg", jpeg(gradient(), icc_profile=P3), None),
    ("sideways.jpe", "image/pjpeg", jpeg(gradient(), exif=SIDEWAYS), None),
    ("print", "application/octet-stream", jpeg(files.cmyk()), None),
    ("scan.tif", "image/x-tiff", encoded(Image.fromarray(RAMP), "TIFF"), files.greys(RAMP / 257)),
    ("depth.png", "image/x-png", png(RAMP, 16, 0), None),
    ("linear.png", "text/plain", png(COLOURS, 8, 2, chunk(b"gAMA", struct.pack(">I", 100_000))), None),
    ("wide.png.txt", "", png(COLOURS, 8, 2, iccp(P3)), None),
    ("logo.png", "image/png", png(np.dstack([COLOURS, OPACITY]), 8, 6), None),
    ("IMG_0001.HEIC", "", encoded(gradient(), "HEIF", quality=98, chroma="444"), COLOURS),
    ("фото.heic", "image/jpeg", encoded(gradient(), "HEIF", quality=98, chroma="444", exif=SIDEWAYS), TURNED),
    ("new.avif", "image/avif", encoded(gradient(), "AVIF", quality=98, subsampling="4:4:4"), None),
    ("moving.gif", "image/gif", MOVING, None),
    ("old.bmp", "image/x-ms-bmp", encoded(gradient(), "BMP"), None),
]  # fmt: skip


@pytest.fixture
def page(site, sign_in) -> Page:
    page = sign_in(site, "ada")
    page.locator("#video-form .bar label").get_by_text("Frames", exact=True).click()
    page.wait_for_function("() => customElements.get('frame-tile')")
    return page


def drawn(page: Page, content: bytes) -> np.ndarray | None:
    answer = page.evaluate(DRAW, base64.b64encode(content).decode())
    if answer is None:
        return None
    return np.array(answer["data"], dtype=float).reshape(answer["height"], answer["width"], 4)[..., :3]


def test_the_tile_shows_what_is_kept_and_that_looks_like_the_file(page):
    """Also without or with a wrong type or extension, and where the browser cannot draw the file."""
    tile = page.locator('frame-tile:has(input[name="start_image"])')
    kept = page.locator('#video-form input[name="start_frame"]')
    wrong = {}
    before = ""
    for name, kind, content, expected in BROUGHT:
        page.locator('input[name="start_image"]').set_input_files({"name": name, "mimeType": kind, "buffer": content})
        expect(kept, name).not_to_have_value(before, timeout=20_000)
        expect(kept, name).not_to_have_value("", timeout=20_000)
        before = kept.input_value()
        image = tile.locator("img")
        expect(image, name).to_have_count(1)
        expect(image, name).to_have_attribute("src", f"/uploads/{before}/")
        expect(image, name).to_have_js_property("complete", True)
        stored = page.request.get(f"{page.url.split('?')[0]}uploads/{before}/").body()
        reference = drawn(page, content)
        reference = expected if reference is None else reference
        with Image.open(io.BytesIO(stored)) as kept_picture:
            shape = (kept_picture.height, kept_picture.width, 3)
        mean = files.difference(stored, reference)[0] if shape == reference.shape else float("inf")
        if mean > 2:
            wrong[name] = mean
        assert np.array_equal(drawn(page, stored).shape, reference.shape), name
    assert not wrong
    # What the tile draws covers the whole picture, also a tall one.
    assert image.evaluate("image => getComputedStyle(image).objectFit") == "contain"


def test_a_file_whose_upload_fails_stays_in_the_tile(page):
    page.route("**/uploads/", lambda route: route.abort())
    page.locator('input[name="start_image"]').set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": encoded(gradient(), "PNG")}
    )
    expect(page.locator("#start-problem")).to_contain_text("The picture did not get through.")
    image = page.locator('frame-tile:has(input[name="start_image"]) img')
    expect(image).to_have_count(1)
    assert image.get_attribute("src").startswith("blob:")

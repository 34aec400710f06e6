"""The decoder process: its limits, environment, slots and exit."""

import errno
import fcntl
import io
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from videos.media.decoding import client, limits, slots
from videos.media.decoding.errors import Busy, DecoderFailed, NotAPicture, NotAVideo

from ...support.sample_videos import noise_video

POPEN = subprocess.Popen
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def slots_of_its_own(tmp_path, settings):
    settings.DATA_DIR = tmp_path


def a_png(size=(64, 48), mode="RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, "red").save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    noise_video(path, seconds=1)
    return path


def open_files(process: Path) -> list[str]:
    """List the open files of a process, without those that it closes meanwhile."""
    files = []
    for link in (process / "fd").iterdir():
        with suppress(FileNotFoundError):
            files.append(os.readlink(link))
    return files


@pytest.fixture
def started(monkeypatch):
    """Record every decoder process with its environment and its limits in the kernel."""
    found = []

    def popen(*args, **options):
        process = POPEN(*args, **options)
        place = Path(f"/proc/{process.pid}")
        found.append({
            "pid": process.pid,
            "command": args[0],
            "environment": (place / "environ").read_text(),
            "files": open_files(place),
        })  # fmt: skip
        return process

    monkeypatch.setattr(client.subprocess, "Popen", popen)
    return found


def code_in_place_of_the_decoder(monkeypatch, code: str) -> None:
    """Run these lines as the decoder process."""
    monkeypatch.setattr(
        client.subprocess, "Popen", lambda argv, **options: POPEN([sys.executable, "-c", code], **options)
    )


# ── What it is given ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_decoder_has_no_secrets_and_no_other_open_files(started, monkeypatch, film):
    monkeypatch.setenv("LUMAWEB_SECRET_KEY", "very-secret-key")
    monkeypatch.setenv("DATABASE_URL", "postgres://luma:very-secret-password@db/films")
    monkeypatch.setenv("SOMETHING_ELSE", "very-secret-too")
    assert client.read_picture(ContentFile(a_png())).width == 64
    assert client.read_video(film, stills=True).duration == 1.0
    for process in started:
        names = {line.partition("=")[0] for line in process["environment"].split("\0") if line}
        assert names <= {*client.INHERITED_VARIABLES, "MALLOC_ARENA_MAX"}
        assert "very-secret" not in process["environment"] + " ".join(process["command"])
        # Python may still be starting, with a module, a folder of modules or a library open for a moment.
        own = ("pipe:", str(settings.DATA_DIR), sys.prefix, sys.base_prefix, "/usr/lib", "/lib", "/etc/ld.so")
        others = [name for name in process["files"] if not name.startswith(own)]
        assert len(others) == 1, others
    assert str(film) in started[1]["files"]


@pytest.mark.parametrize(
    "upload",
    [
        lambda data: SimpleUploadedFile("a.png", data),
        lambda data: ContentFile(data),
        lambda data: io.BytesIO(data),
    ],
)
def test_a_file_in_memory_is_decoded_like_one_on_the_disk(upload):
    file = upload(a_png())
    file.read()
    assert client.read_picture(file).data[:2] == b"\xff\xd8"
    assert not list(Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir())


def test_a_picture_needs_no_ffmpeg_and_neither_needs_django():
    code = (
        "import sys, videos.media.decoding.{};"
        "print([name for name in ('av', 'django', 'lumaweb') if name in sys.modules])"
    )
    for module, loaded in (("pictures", []), ("video", ["av"])):
        done = subprocess.run(
            [sys.executable, "-c", code.format(module)], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == str(loaded)


# ── How it ends ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os; os._exit(70)", "more memory"),
        ("import time; time.sleep(60)", "too long"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGXCPU)", "too long"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGALRM)", "too long"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "more memory to read than there is now"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "cannot be read"),
    ],
)
def test_a_file_that_kills_the_decoder_is_refused_with_a_message(monkeypatch, film, code, words):
    code_in_place_of_the_decoder(monkeypatch, code)
    for name in ("PICTURE", "THUMBNAIL", "VIDEO"):
        monkeypatch.setattr(client, name, client.Limits(client.MEMORY, 5, 1.0))
    with pytest.raises(NotAPicture, match=words):
        client.read_picture(io.BytesIO(a_png()))
    with pytest.raises(NotAVideo, match=words):
        client.read_video(film, stills=True)
    assert client.read_thumbnail(b"a bomb") is None


def test_an_internal_error_of_the_decoder_is_not_a_refusal_of_the_file(monkeypatch, film):
    code_in_place_of_the_decoder(monkeypatch, "raise SystemExit('no Pillow here')")
    with pytest.raises(DecoderFailed, match="no Pillow here"):
        client.read_picture(io.BytesIO(a_png()))
    code_in_place_of_the_decoder(monkeypatch, "print('x' * 10**8)")
    with pytest.raises(DecoderFailed, match="printed more"):
        client.read_video(film, stills=True)


def test_a_long_error_message_is_truncated(monkeypatch):
    code_in_place_of_the_decoder(monkeypatch, "import sys; sys.stderr.write('x' * 10**7 + 'the end'); sys.exit(1)")
    with pytest.raises(DecoderFailed) as failure:
        client.read_picture(io.BytesIO(a_png()))
    assert str(failure.value).endswith("the end")
    assert len(str(failure.value)) <= client.MAX_ERROR_OUTPUT


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM])
def test_a_machine_that_cannot_start_a_process_counts_as_busy(monkeypatch, number):
    def refuses(*args, **options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(client.subprocess, "Popen", refuses)
    with pytest.raises(Busy):
        client.read_picture(io.BytesIO(a_png()))


def test_the_decoder_is_killed_with_its_caller(monkeypatch, started):
    def ends(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(client, "_collect", ends)
    with pytest.raises(KeyboardInterrupt):
        client.read_picture(io.BytesIO(a_png()))
    assert not Path(f"/proc/{started[0]['pid']}").exists()


# ── Limits ────────────────────────────────────────────────────────────────────────────────────────────────────


def under_limits(code: str, memory: int = 200, cpu: int = 10, seconds: float = 20) -> subprocess.CompletedProcess:
    lines = f"from videos.media.decoding import limits\nlimits.apply({memory} << 20, {cpu}, {seconds})\n{code}"
    return subprocess.run([sys.executable, "-c", lines], cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not limit memory")
def test_the_decoder_cannot_exceed_its_memory_limit():
    assert "MemoryError" in under_limits("bytes(300 << 20)").stderr
    assert under_limits("bytes(100 << 20)").returncode == 0


def test_the_decoder_cannot_exceed_its_time_limits():
    assert under_limits("while True: pass", cpu=1).returncode == -24  # SIGXCPU
    assert under_limits("import time; time.sleep(50)", seconds=0.5).returncode == -14  # SIGALRM: nobody waits for it


def test_the_decoder_writes_no_files_and_no_core_dump(tmp_path):
    file = tmp_path / "written"
    assert "File too large" in under_limits(f"open({str(file)!r}, 'wb', buffering=0).write(b'x' * 10)").stderr
    assert "Too many open files" in under_limits("files = [open('/dev/null') for _ in range(100)]").stderr
    done = under_limits("import resource; print(resource.getrlimit(resource.RLIMIT_CORE))")
    assert done.stdout.strip() == "(0, 0)"


def test_the_decoder_has_low_priority_and_is_killed_first_when_memory_is_short():
    done = under_limits("import os; print(os.nice(0), open('/proc/self/oom_score_adj').read())")
    assert done.stdout.split() == [str(min(19, os.nice(0) + limits.NICENESS)), "1000"]


def test_a_file_that_exceeds_one_slot_s_memory_is_retried_with_all_of_it(monkeypatch, started):
    monkeypatch.setattr(client, "PICTURE", client.Limits(40 << 20, 10, 20.0))
    assert client.read_picture(io.BytesIO(a_png((2000, 2000)))).width == 2000
    assert len(started) == 2
    held = [{Path(name).name for name in process["files"] if "decoding-" in name} for process in started]
    assert held == [{"decoding-1"}, {"decoding-1", "decoding-2"}]
    monkeypatch.setattr(client, "MEMORY_ALONE", 45 << 20)
    with pytest.raises(NotAPicture, match="more memory"):
        client.read_picture(io.BytesIO(a_png((2000, 2000))))


# ── Slots ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_upload_without_a_free_slot_is_answered_as_busy(monkeypatch, film):
    monkeypatch.setattr(client, "MEMBER_WAIT", 0.2)
    with slots.all_of_them(settings.DATA_DIR, 0), pytest.raises(Busy, match="Try again in a moment"):
        client.read_picture(io.BytesIO(a_png()))
    assert client.read_picture(io.BytesIO(a_png())).width == 64
    with slots.one(settings.DATA_DIR, 0), slots.one(settings.DATA_DIR, 0), pytest.raises(Busy):
        client.extract_frame(io.BytesIO(film.read_bytes()), "first")


def test_saves_leave_a_slot_for_members(monkeypatch, film):
    monkeypatch.setattr(client, "WORKER_WAIT", 0.2)
    with slots.one(settings.DATA_DIR, 0, client.SAVING_SLOTS):
        with pytest.raises(Busy):
            client.read_video(film, stills=True)
        assert client.read_picture(io.BytesIO(a_png())).width == 64
    assert client.read_video(film, stills=True).width == 64


def test_a_slot_is_taken_for_as_long_as_its_process_lives():
    with slots.one(settings.DATA_DIR, 0) as held:
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=held)
    with slots.one(settings.DATA_DIR, 0) as [file]:
        assert os.readlink(f"/proc/self/fd/{file}").endswith("decoding-2"), "its product has ended, and it has not"
    process.communicate()
    with slots.all_of_them(settings.DATA_DIR, 0):
        pass
    assert all(Path(settings.DATA_DIR / name).stat().st_mode & 0o077 == 0 for name in slots.NAMES)


def test_a_web_process_keeps_threads_for_pages():
    with (settings.DATA_DIR / "decoding-1").open("w") as first, (settings.DATA_DIR / "decoding-2").open("w") as second:
        for file in (first, second):
            fcntl.flock(file, fcntl.LOCK_EX)
        threads = [
            threading.Thread(target=client.read_picture, args=(io.BytesIO(a_png()),)) for _ in range(client.MAX_WAITING)
        ]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 5
        while client._waiting._value and time.monotonic() < deadline:
            time.sleep(0.01)
        began = time.monotonic()
        with pytest.raises(Busy):
            client.read_picture(io.BytesIO(a_png()))
        assert time.monotonic() - began < 1
    for thread in threads:
        thread.join(30)
    assert client.read_picture(io.BytesIO(a_png())).width == 64

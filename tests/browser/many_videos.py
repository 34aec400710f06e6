"""Fill a gallery with finished videos that share the files of one generated video."""

from ..support.installation import Installation

PROMPTS = (
    "Astronauts shuttle from space to volcano, slow dolly in, ash drifting past the lens",
    "A fox crossing fresh snow at dawn, breath visible, long lens",
    "Paper boats on a tide of ink",
    "مركب شراعي يعبر البحر عند الغروب",
    "雪山下的湖泊,晨雾缓缓散开",
    "Rain on neon, tracking shot through a night market, steam, umbrellas, reflections on wet asphalt",
)
RATIOS = ("16:9", "9:16", "1:1", "21:9", "16:9", "4:3", "3:4")

MAKE = """
import uuid
from datetime import timedelta
from django.utils import timezone
from videos.models import Generation, Member, Submission
from videos.models.search import fold
source = Generation.objects.get(uuid={source!r})
members = list(Member.objects.order_by("pk"))
now = timezone.now() - timedelta(minutes=5)
kept = ("token_id", "video_file", "thumbnail_file", "poster_file", "sha256", "size_bytes", "duration", "frame_rate")
kept = {{name: getattr(source, name) for name in kept}}
asks = [Submission(member=members[n % len(members)], key=uuid.uuid4()) for n in range({count})]
Submission.objects.bulk_create(asks, batch_size=500)
rows = []
for n, ask in enumerate(asks):
    at = now - ({count} - n) * timedelta(minutes={minutes})
    prompt = {prompts!r}[n % {prompts_count}]
    rows.append(Generation(
        submission=ask, member=ask.member, prompt=prompt, search_text=fold(prompt), state="completed",
        shape={ratios!r}[n % {ratios_count}], video_width=source.video_width, video_height=source.video_height,
        archive="saved", created_at=at, changed_at=at, submitted_at=at, accepted_at=at, finished_at=at,
        task_id=str(uuid.uuid4()), video_id=str(uuid.uuid4()), **kept))
Generation.objects.bulk_create(rows, batch_size=200)
"""


def add_videos(site: Installation, count: int, minutes: int = 20) -> None:
    """Add `count` finished videos, `minutes` apart, the newest five minutes old."""
    visitor = site.visitor()
    source = visitor.submit(prompt="Where the crowd comes from")
    visitor.wait_until_saved(source)
    site.python(
        MAKE.format(
            source=source,
            count=count,
            minutes=minutes,
            prompts=PROMPTS,
            prompts_count=len(PROMPTS),
            ratios=RATIOS,
            ratios_count=len(RATIOS),
        )
    )

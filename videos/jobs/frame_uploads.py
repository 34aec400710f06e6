"""Upload the frames of a claim to its provider, for an installation that the provider cannot reach."""

import asyncio
import logging
from contextlib import suppress

from django.db import DatabaseError

from .. import provider
from ..models import ApiToken, Claim, Frame, Generation, UploadedFrame
from ..provider import uploads
from .database_thread import in_db
from .provider_calls import not_sent, open_secret

logger = logging.getLogger(__name__)

RENEW_EVERY = 10.0  # seconds, for a claim whose frames are being uploaded


class ClaimLost(Exception):
    """The sweep returned the row to the queue while its frames were uploaded; the request was not sent."""


class FrameUploader:
    """Uploads the frames of one drain; takes that share a frame wait for one upload of it."""

    def __init__(self, client: provider.HttpClient) -> None:
        self._client = client
        self._locks: dict[tuple[int, int], asyncio.Lock] = {}

    async def links(self, claim: Claim[Generation]) -> dict[int, str]:
        """Upload the frames of a claim if it needs that; return their links by primary key.

        Raises ProviderError, always with Sent.NEVER, and ClaimLost.
        """
        if not claim.generation.uploading:
            return {}
        renewing = asyncio.create_task(self._renew(claim))
        uploading = asyncio.create_task(self._upload_all(claim))
        try:
            await asyncio.wait({renewing, uploading}, return_when=asyncio.FIRST_COMPLETED)
            if not uploading.done():
                raise ClaimLost
            return await uploading
        finally:
            for task in (renewing, uploading):
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task

    async def _renew(self, claim: Claim[Generation]) -> None:
        """Renew the claim until it is lost."""
        is_ours = True
        while is_ours:
            try:
                is_ours = await in_db(claim.generation.renew_upload, claim.owned)
            except DatabaseError:
                # The claim is checked again after the upload, before the paid request is sent.
                logger.warning("generation %s: its claim could not be renewed", claim.generation.uuid, exc_info=True)
            await asyncio.sleep(RENEW_EVERY if is_ours else 0)

    async def _upload_all(self, claim: Claim[Generation]) -> dict[int, str]:
        generation, token = claim.generation, claim.token
        secret = await in_db(open_secret, token)
        links = {}
        for frame in await in_db(_frames_of, generation):
            lock = self._locks.setdefault((frame.pk, token.pk), asyncio.Lock())
            async with lock:
                link = await in_db(UploadedFrame.objects.link_for, frame, token, generation.timeout)
                links[frame.pk] = link or await self._upload(frame, token, secret)
        return links

    async def _upload(self, frame: Frame, token: ApiToken, secret: str) -> str:
        content = await in_db(_content, frame)
        endpoint = await in_db(UploadedFrame.objects.endpoint_of, token)
        try:
            file = await provider.upload_file(
                self._client, token.base_url, secret, content,
                filename="frame.jpg", content_type="image/jpeg", known_endpoint=endpoint,
            )  # fmt: skip
        except provider.ProviderError as error:
            if error.code == uploads.REFUSED:
                await in_db(token.refuse_uploads, error.message)
            raise
        await in_db(_remember, frame, token, file)
        return file.url


def _frames_of(generation: Generation) -> list[Frame]:
    return [frame for frame in (generation.start_frame, generation.end_frame) if frame]


def _content(frame: Frame) -> bytes:
    try:
        with frame.file.open("rb") as file:
            return file.read()
    except (FileNotFoundError, ValueError):
        raise not_sent("frame_gone", "A frame was deleted before this was sent.") from None
    except OSError as error:
        logger.warning("frame %s cannot be read: %s", frame.uuid, error)
        raise not_sent(uploads.FAILED, "The stored picture cannot be read at the moment.") from None


def _remember(frame: Frame, token: ApiToken, file: provider.UploadedFile) -> None:
    UploadedFrame.objects.remember(frame, token, url=file.url, expires_at=file.expires_at, endpoint=file.endpoint)
    token.accept_uploads()

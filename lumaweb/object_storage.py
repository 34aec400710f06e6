"""Media in object storage: what speaks S3 made to behave as a folder does. The only room that knows boto3.

It is loaded with the first file that is asked for, and only where a bucket is set: boto3 takes its time.
"""

import io
import posixpath
import re
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from boto3.session import Session
from botocore import exceptions as boto
from botocore.config import Config
from django.core.files import File
from django.utils.functional import cached_property
from storages.backends.s3 import S3Storage
from storages.utils import clean_name

from .environment import Bucket

PIECE = 256 * 1024  # bytes of a file in memory while it is read
PART = 16 * 1024 * 1024  # bytes of one request of a large upload
FORWARD = 1024 * 1024  # bytes that are sooner read than asked for anew
RESUMED = 3  # times, that a reading is gone on with after the connection broke
AT_ONCE = 16  # questions at the same time
# Seconds and tries. A page waits for the first, saving and backups for the second.
QUICK = {"connect_timeout": 2, "read_timeout": 4, "retries": {"mode": "standard", "total_max_attempts": 2}}
PATIENT = {"connect_timeout": 4, "read_timeout": 30, "retries": {"mode": "standard", "total_max_attempts": 4}}


# Threads that come first make the clients; one at a time, as boto3 wants it.
_MAKING = threading.RLock()


class Away(ConnectionError):
    """The object storage does not answer, or not now."""


class BucketStorage(S3Storage):
    """A private bucket. Whatever goes wrong is an OSError, as on a disk: FileNotFoundError, PermissionError, Away."""

    def __init__(self, bucket: Bucket, access_key: str, secret_key: str) -> None:
        self.place = bucket
        super().__init__(
            bucket_name=bucket.name,
            access_key=access_key or None,
            secret_key=secret_key or None,
            location=bucket.prefix,
            # A name is given once: what is here is never written over.
            file_overwrite=False,
            default_acl=None,
            querystring_auth=True,
            querystring_expire=bucket.link_seconds,
            max_memory_size=PIECE,
            # One part after the other: it is the network that takes its time, and every part more is 16 MB of memory.
            transfer_config=TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, use_threads=False),
            client_config=self._config(PATIENT),
        )

    def _config(self, patience: dict) -> Config:
        return Config(
            region_name=self.place.region,
            signature_version="s3v4",
            s3={"addressing_style": self.place.addressing},
            # The newer checksums beyond AWS are refused here and garbled there; the connection has its own.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            max_pool_connections=AT_ONCE,
            **patience,
        )

    # Making a client costs 50 ms and more, and asks where the keys are; unlike the resources that django-storages
    # makes for each thread, all threads may use one.

    def _client(self, patience: dict, endpoint: str):
        with _MAKING, _said_as_a_disk_would("the bucket"):
            return self._session.client("s3", endpoint_url=endpoint, config=self._config(patience))

    @cached_property
    def _session(self) -> Session:
        return Session(aws_access_key_id=self.access_key, aws_secret_access_key=self.secret_key)

    @cached_property
    def _patient(self):
        return self._client(PATIENT, self.place.endpoint)

    @cached_property
    def _quick(self):
        return self._client(QUICK, self.place.endpoint)

    @cached_property
    def _signer(self):
        return self._client(QUICK, self.place.links)

    def _at(self, name: str) -> dict[str, str]:
        return {"Bucket": self.bucket_name, "Key": self._normalize_name(clean_name(name))}

    # ── As every storage ──────────────────────────────────────────────────────────────────────────────────────

    def _open(self, name: str, mode: str = "rb") -> "BucketFile":
        if mode != "rb":
            raise ValueError("Files in a bucket are written whole, by save.")
        return BucketFile(self, name)

    def _save(self, name: str, content: File) -> str:
        there, how = self._at(name), {"ExtraArgs": self._get_write_parameters(name, content)}
        with _said_as_a_disk_would(name):
            # From a file on our disk each part is read as it is sent.
            if path := getattr(content, "temporary_file_path", None):
                self._patient.upload_file(path(), **there, **how, Config=self.transfer_config)
            else:
                content.seek(0)
                self._patient.upload_fileobj(_Unclosed(content), **there, **how, Config=self.transfer_config)
        return clean_name(name)

    def delete(self, name: str) -> None:
        with _said_as_a_disk_would(name):
            self._patient.delete_object(**self._at(name))

    def exists(self, name: str) -> bool:
        try:
            self.size(name)
        except FileNotFoundError:
            return False
        return True

    def size(self, name: str) -> int:
        return self._head(self._patient, name)["ContentLength"]

    def get_modified_time(self, name: str):
        return self._head(self._patient, name)["LastModified"]

    def _head(self, client, name: str) -> dict:
        with _said_as_a_disk_would(name):
            return client.head_object(**self._at(name))

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        folder = self._folder(path)
        folders, files = [], []
        with _said_as_a_disk_would(path):
            for page in self._listed(Prefix=folder, Delimiter="/"):
                folders += [found["Prefix"][len(folder) : -1] for found in page.get("CommonPrefixes", ())]
                files += [found["Key"][len(folder) :] for found in page.get("Contents", ()) if found["Key"] != folder]
        return folders, files

    def _listed(self, **which) -> Iterable[dict]:
        return self._patient.get_paginator("list_objects_v2").paginate(Bucket=self.bucket_name, **which)

    def _folder(self, path: str) -> str:
        return posixpath.join(self._normalize_name(clean_name(path)), "").lstrip("/")

    def url(self, name: str, *args, **options) -> str:
        """Refuse, as our folder does: who may have a link is decided where it is asked for."""
        raise ValueError("This file is not accessible via a URL.")

    # ── What only a bucket can ────────────────────────────────────────────────────────────────────────────────

    @property
    def link_seconds(self) -> int:
        return self.place.link_seconds

    def link(self, name: str, *, method: str = "GET", content_type: str, disposition: str) -> str:
        """A link to a file that is there, good for a while and for nothing else. Raises OSError."""
        self._head(self._quick, name)
        asked = self._at(name)
        if method != "HEAD":
            asked |= {
                "ResponseContentType": content_type,
                "ResponseContentDisposition": disposition,
                "ResponseCacheControl": f"private, max-age={self.place.link_seconds}",
            }
        with _said_as_a_disk_would(name):
            return self._signer.generate_presigned_url(
                "head_object" if method == "HEAD" else "get_object", asked, ExpiresIn=self.place.link_seconds
            )

    def whole(self, name: str) -> bytes:
        """A small file at once, for a page that waits. Raises OSError."""
        with _said_as_a_disk_would(name):
            return self._quick.get_object(**self._at(name))["Body"].read()

    def sizes(self, names: Iterable[str]) -> dict[str, int]:
        """The sizes of those that are there, asked for at the same time. Raises OSError."""

        def size(name: str) -> tuple[str, int | None]:
            try:
                return name, self._head(self._quick, name)["ContentLength"]
            except FileNotFoundError:
                return name, None

        with ThreadPoolExecutor(AT_ONCE) as threads:
            return {name: size for name, size in threads.map(size, names) if size is not None}

    def files(self, folder: str = "") -> Iterator[tuple[str, int]]:
        """Every file in and below a folder, with its size, a thousand at a time. Raises OSError."""
        root = self._folder("")
        with _said_as_a_disk_would(folder):
            for page in self._listed(Prefix=self._folder(folder)):
                for found in page.get("Contents", ()):
                    if not found["Key"].endswith("/"):
                        yield found["Key"][len(root) :], found["Size"]


class BucketFile(File):
    """A file that is read as it comes, from any place in it; nothing of it is kept."""

    def __init__(self, storage: BucketStorage, name: str) -> None:
        super().__init__(self._read_by(storage, name), name)
        self.storage = storage

    def _read_by(self, storage: BucketStorage, name: str) -> io.BufferedReader:
        raw = _Reading(storage, name)
        self.size = raw.size
        return io.BufferedReader(raw, PIECE)

    def open(self, mode: str | None = None) -> "BucketFile":
        if self.closed:
            self.file = self._read_by(self.storage, self.name)
        self.seek(0)
        return self


class _Reading(io.RawIOBase):
    """One object, by requests for what follows a place in it; gone on with where a connection breaks."""

    def __init__(self, storage: BucketStorage, name: str) -> None:
        self.storage, self.name = storage, name
        self.at, self.body, self.version = 0, None, ""
        self._ask()

    def _ask(self) -> None:
        # A file that is another one suddenly must not be read on from the middle.
        only = {"Range": f"bytes={self.at}-", "IfMatch": self.version} if self.version else {}
        with _said_as_a_disk_would(self.name):
            answer = self.storage._patient.get_object(**self.storage._at(self.name), **only)
        if not self.version:
            self.size, self.version = answer["ContentLength"], answer["ETag"]
        self.body = answer["Body"]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        target = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.size}[whence])
        if self.body and not 0 <= target - self.at <= FORWARD:
            self._hang_up()
        while self.body and self.at < target and self._read(min(PIECE, target - self.at)):
            pass
        self.at = target
        return target

    def readinto(self, buffer) -> int:
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _read(self, most: int) -> bytes:
        for left in reversed(range(RESUMED + 1)):
            if self.at >= self.size:
                return b""
            try:
                if not self.body:
                    self._ask()
                with _said_as_a_disk_would(self.name):
                    data = self.body.read(most)
                if not data:
                    raise Away(f"The object storage ended {self.name} too soon.")
            except Away:
                self._hang_up()
                if not left:
                    raise
            else:
                self.at += len(data)
                return data
        return b""

    def _hang_up(self) -> None:
        if self.body:
            # Not read to its end, so this connection is of no use to anybody else.
            self.body.close()
        self.body = None

    def close(self) -> None:
        self._hang_up()
        super().close()


class _Unclosed:
    """A file that boto3 reads and cannot close: it is still ours."""

    def __init__(self, file: File) -> None:
        self._file = file

    def __getattr__(self, name: str):
        return getattr(self._file, name)

    def close(self) -> None:
        pass


@contextmanager
def _said_as_a_disk_would(name: str) -> Iterator[None]:
    """Make OSErrors of what boto3 raises, without what it knows: signatures and keys are in its errors' answers."""
    try:
        yield
    except boto.ClientError as error:
        raise _refusal(error, name) from None
    except (boto.ConnectionError, boto.HTTPClientError, boto.IncompleteReadError) as error:
        raise Away(f"The object storage does not answer ({type(error).__name__}).") from None
    except Boto3Error as error:  # what an upload's error comes wrapped in
        cause = error.__cause__ or error.__context__
        if isinstance(cause, boto.ClientError):
            raise _refusal(cause, name) from None
        raise Away(f"The object storage did not take {name} ({type(cause or error).__name__}).") from None
    except boto.BotoCoreError as error:
        raise OSError(f"The object storage cannot be used ({type(error).__name__}).") from None


def _refusal(error: boto.ClientError, name: str) -> OSError:
    code = re.sub(r"[^A-Za-z0-9]", "", error.response.get("Error", {}).get("Code", "")) or "?"
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "NoSuchBucket":
        return OSError("The bucket is not there. Check LUMAWEB_S3_BUCKET and LUMAWEB_S3_ENDPOINT.")
    if status == 404:
        return FileNotFoundError(f"There is no {name} in the bucket.")
    if status in (401, 403):
        return PermissionError(f"The object storage refuses to let us at {name} ({code}).")
    if status in (408, 429) or status >= 500:
        return Away(f"The object storage cannot answer now ({code}).")
    return OSError(f"The object storage refuses this about {name} ({code}).")

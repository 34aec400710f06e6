"""Media in object storage (S3): a Django storage that behaves like a folder. The only module that imports boto3.

Django imports it with the first file, and only if a bucket is set, because boto3 takes long to import.
"""

import io
import posixpath
import re
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import IO, Any

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from boto3.session import Session
from botocore import exceptions as boto
from botocore.config import Config
from django.core.files import File
from django.utils.functional import cached_property
from storages.backends.s3 import S3Storage
from storages.utils import clean_name

from .environment.services import Bucket

CHUNK_SIZE = 256 * 1024  # bytes of a file in memory while it is read
PART_SIZE = 16 * 1024 * 1024  # bytes of one request of a large upload
MAX_SKIP = 1024 * 1024  # bytes that are faster to read and discard than to skip by a new request
MAX_RETRIES = 3  # of a read whose connection broke
MAX_PARALLEL = 16  # requests
# Timeouts in seconds: the first for requests that a page waits for, the second for saving and backups.
PAGE_TIMEOUTS = {"connect_timeout": 2, "read_timeout": 4, "retries": {"mode": "standard", "total_max_attempts": 2}}
JOB_TIMEOUTS = {"connect_timeout": 4, "read_timeout": 30, "retries": {"mode": "standard", "total_max_attempts": 4}}


# boto3 cannot create clients in several threads at once.
_CREATING_CLIENT = threading.RLock()


class StorageUnavailable(ConnectionError):
    """The object storage does not answer at the moment."""


def _client_config(bucket: Bucket, timeouts: dict[str, Any]) -> Config:
    return Config(
        region_name=bucket.region,
        signature_version="s3v4",
        s3={"addressing_style": bucket.addressing},
        # Services other than AWS refuse or corrupt the newer checksums. TLS protects the data too.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        max_pool_connections=MAX_PARALLEL,
        **timeouts,
    )


class BucketStorage(S3Storage):
    """A private bucket. All errors are OSErrors, as for a disk: also FileNotFoundError, PermissionError."""

    def __init__(self, bucket: Bucket, access_key: str, secret_key: str) -> None:
        self._bucket_settings = bucket
        self.link_seconds = bucket.link_seconds
        super().__init__(
            bucket_name=bucket.name,
            access_key=access_key or None,
            secret_key=secret_key or None,
            location=bucket.prefix,
            # Names are unique: a file is never overwritten.
            file_overwrite=False,
            default_acl=None,
            querystring_auth=True,
            querystring_expire=bucket.link_seconds,
            max_memory_size=CHUNK_SIZE,
            # One part at a time: the network is the bottleneck, and each parallel part takes 16 MB of memory.
            transfer_config=TransferConfig(
                multipart_threshold=PART_SIZE, multipart_chunksize=PART_SIZE, use_threads=False
            ),
            client_config=_client_config(bucket, JOB_TIMEOUTS),
        )

    # Creating a client takes at least 50 ms and looks up the keys. All threads may share a client, unlike the resources
    # that django-storages creates for each thread.

    def _client(self, timeouts: dict[str, Any], endpoint: str) -> Any:
        with _CREATING_CLIENT, _os_errors("the bucket"):
            config = _client_config(self._bucket_settings, timeouts)
            return self._session.client("s3", endpoint_url=endpoint, config=config)

    @cached_property
    def _session(self) -> Session:
        return Session(aws_access_key_id=self.access_key, aws_secret_access_key=self.secret_key)

    @cached_property
    def _job_client(self) -> Any:
        return self._client(JOB_TIMEOUTS, self._bucket_settings.endpoint)

    @cached_property
    def _page_client(self) -> Any:
        return self._client(PAGE_TIMEOUTS, self._bucket_settings.endpoint)

    @cached_property
    def _link_client(self) -> Any:
        return self._client(PAGE_TIMEOUTS, self._bucket_settings.links)

    def _object(self, name: str) -> dict[str, str]:
        return {"Bucket": self.bucket_name, "Key": self._normalize_name(clean_name(name))}

    # ── Django's storage API ──────────────────────────────────────────────────────────────────────────────────────

    def _open(self, name: str, mode: str = "rb") -> "BucketFile":
        if mode != "rb":
            raise ValueError("Files in a bucket are written as a whole, by save().")
        return BucketFile(self, name)

    def _save(self, name: str, content: File) -> str:
        target, options = self._object(name), {"ExtraArgs": self._get_write_parameters(name, content)}
        with _os_errors(name):
            # boto3 reads each part of a file on disk while it sends it.
            if path := getattr(content, "temporary_file_path", None):
                self._job_client.upload_file(path(), **target, **options, Config=self.transfer_config)
            else:
                content.seek(0)
                self._job_client.upload_fileobj(_Unclosable(content), **target, **options, Config=self.transfer_config)
        return clean_name(name)

    def delete(self, name: str) -> None:
        with _os_errors(name):
            self._job_client.delete_object(**self._object(name))

    def exists(self, name: str) -> bool:
        try:
            self.size(name)
        except FileNotFoundError:
            return False
        return True

    def size(self, name: str) -> int:
        return self._head(self._job_client, name)["ContentLength"]

    def get_modified_time(self, name: str) -> datetime:
        return self._head(self._job_client, name)["LastModified"]

    def _head(self, client: Any, name: str) -> dict[str, Any]:
        with _os_errors(name):
            return client.head_object(**self._object(name))

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        folder = self._folder(path)
        folders, files = [], []
        with _os_errors(path):
            for page in self._list(Prefix=folder, Delimiter="/"):
                folders += [found["Prefix"][len(folder) : -1] for found in page.get("CommonPrefixes", ())]
                files += [found["Key"][len(folder) :] for found in page.get("Contents", ()) if found["Key"] != folder]
        return folders, files

    def _list(self, **filters: str) -> Iterable[dict[str, Any]]:
        return self._job_client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket_name, **filters)

    def _folder(self, path: str) -> str:
        return posixpath.join(self._normalize_name(clean_name(path)), "").lstrip("/")

    def url(self, name: str, *args: Any, **options: Any) -> str:
        """Refuse, as the folder does: views decide who gets a link."""
        raise ValueError("This file is not accessible via a URL.")

    # ── Only for a bucket ─────────────────────────────────────────────────────────────────────────────────────────

    def link(self, name: str, *, method: str = "GET", content_type: str, disposition: str) -> str:
        """Return a signed link to an existing file, for one method and `link_seconds`. Raises OSError."""
        self._head(self._page_client, name)
        parameters = self._object(name)
        if method != "HEAD":
            parameters |= {
                "ResponseContentType": content_type,
                "ResponseContentDisposition": disposition,
                "ResponseCacheControl": f"private, max-age={self.link_seconds}",
            }
        operation = "head_object" if method == "HEAD" else "get_object"
        with _os_errors(name):
            return self._link_client.generate_presigned_url(operation, parameters, ExpiresIn=self.link_seconds)

    def get_object(self, name: str, **conditions: str) -> dict[str, Any]:
        """Return the response of a GetObject request, whose body is a stream. Raises OSError."""
        with _os_errors(name):
            return self._job_client.get_object(**self._object(name), **conditions)

    def whole(self, name: str) -> bytes:
        """Return the content of a small file, for a page that waits. Raises OSError."""
        with _os_errors(name):
            return self._page_client.get_object(**self._object(name))["Body"].read()

    def sizes(self, names: Iterable[str]) -> dict[str, int]:
        """Return the sizes of those files that exist, by parallel requests. Raises OSError."""

        def size(name: str) -> tuple[str, int | None]:
            try:
                return name, self._head(self._page_client, name)["ContentLength"]
            except FileNotFoundError:
                return name, None

        with ThreadPoolExecutor(MAX_PARALLEL) as threads:
            return {name: size for name, size in threads.map(size, names) if size is not None}

    def files(self, folder: str = "") -> Iterator[tuple[str, int]]:
        """Yield every file in and below a folder with its size, a thousand per request. Raises OSError."""
        root = self._folder("")
        with _os_errors(folder):
            for page in self._list(Prefix=self._folder(folder)):
                for found in page.get("Contents", ()):
                    if not found["Key"].endswith("/"):
                        yield found["Key"][len(root) :], found["Size"]


class BucketFile(File):
    """A file that is streamed from any position; nothing of it is cached."""

    def __init__(self, storage: BucketStorage, name: str) -> None:
        self.storage = storage
        super().__init__(self._open_object(name), name)

    def _open_object(self, name: str) -> IO[bytes]:
        stream = _ObjectStream(self.storage, name)
        self.size = stream.size
        return io.BufferedReader(stream, CHUNK_SIZE)

    def open(self, mode: str | None = None, *args: Any, **options: Any) -> "BucketFile":
        if self.closed:
            assert self.name is not None
            self.file = self._open_object(self.name)
        self.seek(0)
        return self


class _ObjectStream(io.RawIOBase):
    """One object as a raw stream. A seek or a broken connection makes a new request for the rest."""

    def __init__(self, storage: BucketStorage, name: str) -> None:
        self._storage, self._name = storage, name
        self._position, self._version = 0, ""
        self._body: Any = None
        self._request()

    def _request(self) -> None:
        # IfMatch: the rest of a file that was replaced meanwhile must not be appended to the start of the old one.
        rest = {"Range": f"bytes={self._position}-", "IfMatch": self._version} if self._version else {}
        response = self._storage.get_object(self._name, **rest)
        if not self._version:
            self.size, self._version = response["ContentLength"], response["ETag"]
        self._body = response["Body"]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        target = max(0, base + offset)
        if self._body and not 0 <= target - self._position <= MAX_SKIP:
            self._disconnect()
        while self._body and self._position < target and self._read(min(CHUNK_SIZE, target - self._position)):
            pass
        self._position = target
        return target

    def readinto(self, buffer: Any) -> int:
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _read(self, size: int) -> bytes:
        """Return at most `size` bytes, b"" at the end of the object; retry after a broken connection."""
        for retries_left in reversed(range(MAX_RETRIES + 1)):
            if self._position >= self.size:
                return b""
            try:
                data = self._read_once(size)
            except StorageUnavailable:
                self._disconnect()
                if not retries_left:
                    raise
            else:
                self._position += len(data)
                return data
        return b""

    def _read_once(self, size: int) -> bytes:
        if not self._body:
            self._request()
        with _os_errors(self._name):
            data = self._body.read(size)
        if not data:
            raise StorageUnavailable(f"The object storage ended {self._name} too soon.")
        return data

    def _disconnect(self) -> None:
        if self._body:
            # With unread data on it, the connection cannot be reused.
            self._body.close()
        self._body = None

    def close(self) -> None:
        self._disconnect()
        super().close()


class _Unclosable:
    """A file that boto3 can read but not close, as the caller still uses it."""

    def __init__(self, file: File) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def close(self) -> None:
        pass


@contextmanager
def _os_errors(name: str) -> Iterator[None]:
    """Turn boto3's errors into OSErrors without their details, which hold signatures and keys."""
    try:
        yield
    except boto.ClientError as error:
        raise _os_error(error, name) from None
    except (boto.ConnectionError, boto.HTTPClientError, boto.IncompleteReadError) as error:
        raise StorageUnavailable(f"The object storage does not answer ({type(error).__name__}).") from None
    except Boto3Error as error:  # wraps the error of an upload
        cause = error.__cause__ or error.__context__
        if isinstance(cause, boto.ClientError):
            raise _os_error(cause, name) from None
        kind = type(cause or error).__name__
        raise StorageUnavailable(f"The object storage did not accept {name} ({kind}).") from None
    except boto.BotoCoreError as error:
        raise OSError(f"The object storage cannot be used ({type(error).__name__}).") from None


def _os_error(error: Any, name: str) -> OSError:
    """Return the OSError for an error response (a ClientError)."""
    code = re.sub(r"[^A-Za-z0-9]", "", error.response.get("Error", {}).get("Code", "")) or "?"
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "NoSuchBucket":
        return OSError("The bucket does not exist. Check LUMAWEB_S3_BUCKET and LUMAWEB_S3_ENDPOINT.")
    if status == 404:
        return FileNotFoundError(f"There is no {name} in the bucket.")
    if status in (401, 403):
        return PermissionError(f"The object storage denies access to {name} ({code}).")
    if status in (408, 429) or status >= 500:
        return StorageUnavailable(f"The object storage cannot answer at the moment ({code}).")
    return OSError(f"The object storage refuses a request for {name} ({code}).")

"""Object storage for the media."""

from .. import addresses, services, values
from ..variable import Section, Variable

S3_BUCKET = Variable(
    name="LUMAWEB_S3_BUCKET",
    parse=services.bucket_name,
    meaning="the name of the bucket. If set, media are in it and not in the folder",
    default_meaning="none: `media/` in the data directory",
    example="team-films",
)
S3_REGION = Variable(
    name="LUMAWEB_S3_REGION", parse=services.region, default="us-east-1", meaning="the region of the bucket"
)
S3_ENDPOINT = Variable(
    name="LUMAWEB_S3_ENDPOINT",
    parse=addresses.origin,
    meaning="the endpoint without a path",
    default_meaning="Amazon's in the region",
    example="https://s3.example.com",
)
S3_PUBLIC_ENDPOINT = Variable(
    name="LUMAWEB_S3_PUBLIC_ENDPOINT",
    parse=addresses.origin,
    meaning="the endpoint for browsers, if it is a different one",
    default_meaning="`LUMAWEB_S3_ENDPOINT`",
    example="https://media.example.com",
)
S3_ADDRESSING = Variable(
    name="LUMAWEB_S3_ADDRESSING",
    parse=services.addressing,
    meaning="`path` (`https://host/bucket`) or `virtual` (`https://bucket.host`)",
    default_meaning="`virtual`; `path` if `LUMAWEB_S3_ENDPOINT` is set",
    example="path",
)
S3_PREFIX = Variable(
    name="LUMAWEB_S3_PREFIX", parse=services.prefix, meaning="a folder in the bucket", example="lumaweb"
)
S3_ACCESS_KEY = Variable(
    name="LUMAWEB_S3_ACCESS_KEY",
    parse=values.text,
    meaning="with `LUMAWEB_S3_SECRET_KEY`: the key of the bucket",
    default_meaning="the role of the machine",
    is_secret=True,
)
S3_SECRET_KEY = Variable(
    name="LUMAWEB_S3_SECRET_KEY", parse=values.text, meaning="the secret of the key", is_secret=True
)
S3_LINK_SECONDS = Variable(
    name="LUMAWEB_S3_LINK_SECONDS",
    parse=values.number(60, 3600),
    default="600",
    meaning="lifetime of a link to a video, 60 to 3600 seconds",
)

SECTION = Section(
    "Object storage",
    "docs/operator/storage.md",
    (
        S3_BUCKET,
        S3_REGION,
        S3_ENDPOINT,
        S3_PUBLIC_ENDPOINT,
        S3_ADDRESSING,
        S3_PREFIX,
        S3_ACCESS_KEY,
        S3_SECRET_KEY,
        S3_LINK_SECONDS,
    ),
)


def bucket() -> services.Bucket | None:
    """Return the object storage; None if no bucket is set. Raises ImproperlyConfigured."""
    if not (name := S3_BUCKET.value):
        return None
    region = S3_REGION.value
    endpoint = S3_ENDPOINT.value or f"https://s3.{region}.amazonaws.com"
    return services.Bucket(
        name,
        endpoint,
        S3_PUBLIC_ENDPOINT.value or endpoint,
        region,
        S3_ADDRESSING.value or ("path" if S3_ENDPOINT.value else "virtual"),
        S3_PREFIX.value,
        S3_LINK_SECONDS.value,
    )

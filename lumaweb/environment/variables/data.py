"""Where data is stored."""

from .. import addresses, services, values
from ..variable import Section, Variable

DATA_DIR = Variable(
    name="LUMAWEB_DATA_DIR",
    parse=values.folder,
    meaning="[everything that Lumaweb writes](data-directory.md)",
    default_meaning="`data/` in the source",
    example="/var/lib/lumaweb",
)
STATIC_DIR = Variable(
    name="LUMAWEB_STATIC_DIR",
    parse=values.folder,
    meaning="collected static files",
    default_meaning="`static/` in the data directory",
    example="/var/lib/lumaweb/static",
)
DATABASE_URL = Variable(
    name="DATABASE_URL",
    parse=services.database,
    meaning="a PostgreSQL database, 14 or newer",
    default_meaning="SQLite in the data directory",
    example="postgres://lumaweb:password@10.0.0.5:5432/lumaweb",
    is_secret=True,
)
REDIS_URL = Variable(
    name="REDIS_URL",
    parse=services.redis,
    meaning="a Redis for the queue; it wakes workers sooner",
    default_meaning="the database",
    example="redis://10.0.0.5:6379/0",
    is_secret=True,
)
BACKUP_DIR = Variable(
    name="LUMAWEB_BACKUP_DIR",
    parse=values.absolute_folder,
    meaning="the absolute path of a folder for [daily backups](backup.md#daily-backups), best on another disk",
    default_meaning="none: no daily backups",
    example="/var/backups/lumaweb",
)
ACCEL_PREFIX = Variable(
    name="LUMAWEB_ACCEL_PREFIX",
    parse=values.url_path,
    meaning="lets nginx or Caddy [send the media](storage.md#a-folder-behind-nginx-or-caddy)",
    example="/protected-media/",
)
MEDIA_HOSTS = Variable(
    name="LUMAWEB_MEDIA_HOSTS",
    parse=addresses.media_hosts,
    meaning="hosts from which results may be downloaded, comma-separated",
    default_meaning="the provider's CDN hosts",
    default="platform.cdn.acedata.cloud,platform2.cdn.acedata.cloud,cdn.acedata.cloud,storage.cdn-luma.com",
)

SECTION = Section(
    "Data",
    "docs/operator/configuration.md",
    (
        DATA_DIR,
        STATIC_DIR,
        DATABASE_URL,
        REDIS_URL,
        BACKUP_DIR,
        ACCEL_PREFIX,
        MEDIA_HOSTS,
    ),
)

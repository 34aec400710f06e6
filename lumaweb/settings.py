"""The settings of an installation. Every environment variable is read and validated here, once."""

import hmac
import os
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from . import environment, permissions
from .logs import logging_config

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION: str = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]

# ── Addresses ─────────────────────────────────────────────────────────────────────────────────────────────────
DEBUG = environment.flag("LUMAWEB_DEBUG")
HOST = environment.text("HOST") or "127.0.0.1"
PORT = environment.number("PORT", 8000, minimum=1, maximum=65535)
_local_host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(HOST, HOST)
LOCAL_URL = f"http://[{_local_host}]:{PORT}" if ":" in _local_host else f"http://{_local_host}:{PORT}"
DATA_DIR = Path(environment.text("LUMAWEB_DATA_DIR") or BASE_DIR / "data").resolve()
# For every file and folder that a process of this installation creates, whatever its parent's umask.
os.umask(permissions.UMASK)

# None if unset: only a provider on this machine can call back, by LOCAL_URL. "": no provider can.
PUBLIC_URL: str | None = None
if environment.is_set("LUMAWEB_PUBLIC_URL"):
    PUBLIC_URL = environment.origin("LUMAWEB_PUBLIC_URL")
# The address that members use. Links in mails start with it, never with the host of a request.
SITE_URL = environment.origin("LUMAWEB_SITE_URL") or PUBLIC_URL or ""
OUTER_HOSTS = list(dict.fromkeys(urlsplit(url).hostname or "" for url in (SITE_URL, PUBLIC_URL) if url))

ALLOWED_HOSTS = environment.words("LUMAWEB_ALLOWED_HOSTS") or [
    *sorted(environment.LOOPBACK - {"::1"}),
    "[::1]",
    *([HOST] if HOST not in ("0.0.0.0", "::") else []),
    *OUTER_HOSTS,
]
BEHIND_TLS = SITE_URL.startswith("https:")
CSRF_TRUSTED_ORIGINS = list(dict.fromkeys(url for url in (SITE_URL, PUBLIC_URL) if url))

DATABASE_URL = environment.text("DATABASE_URL")
REDIS_URL = environment.text("REDIS_URL")
# A host name other than loopback means that others reach this installation, perhaps by a proxy on this machine.
ON_LOOPBACK = {HOST, *OUTER_HOSTS, *(host.strip("[]").lower() for host in ALLOWED_HOSTS)} <= environment.LOOPBACK
if ON_LOOPBACK and not SITE_URL:
    SITE_URL = LOCAL_URL

# This file exists once the workers are asked to stop: they then claim no more videos.
WORKERS_STOPPING = DATA_DIR / "workers-stopping"

# ── Logs and metrics ──────────────────────────────────────────────────────────────────────────────────────────
LOG_FORMAT = environment.choice("LUMAWEB_LOG_FORMAT", "line", "json")
LOGGING = logging_config(LOG_FORMAT, environment.text("Q_CLUSTER_NAME"))
# A line for each request, also for every poll of every open tab.
ACCESS_LOG = environment.flag("LUMAWEB_ACCESS_LOG")
# The bearer token of /metrics; without one there is no such page, and nothing is measured.
METRICS_TOKEN = environment.bearer_token("LUMAWEB_METRICS_TOKEN")
METRICS_EVERY = 10.0  # seconds between two writes of a process's measurements to the database

# ── Secrets ───────────────────────────────────────────────────────────────────────────────────────────────────
ENCRYPTION_KEYS_GIVEN = bool(environment.text("LUMAWEB_ENCRYPTION_KEYS"))  # else they are in a file
_may_generate = ON_LOOPBACK and not DATABASE_URL
SECRET_KEY = environment.secret("LUMAWEB_SECRET_KEY", DATA_DIR / "secret-key", may_generate=_may_generate)
_encryption_keys = environment.secret(
    "LUMAWEB_ENCRYPTION_KEYS", DATA_DIR / "encryption-keys", may_generate=_may_generate
)
ENCRYPTION_KEYS = [key.strip() for key in _encryption_keys.split(",") if key.strip()]

# ── The provider ──────────────────────────────────────────────────────────────────────────────────────────────
LUMA_BASE_URL = environment.origin("LUMAWEB_LUMA_BASE_URL")
LUMA_BASE_URL_GIVEN = bool(LUMA_BASE_URL)
LUMA_BASE_URL = LUMA_BASE_URL or "https://api.acedata.cloud"
FIRST_TOKEN = environment.text("LUMAWEB_LUMA_TOKEN")
SANDBOX_URL = f"http://127.0.0.1:{environment.number('SANDBOX_PORT', 8801, minimum=1, maximum=65535)}"
DEFAULT_MEDIA_HOSTS = (
    "platform.cdn.acedata.cloud", "platform2.cdn.acedata.cloud", "cdn.acedata.cloud", "storage.cdn-luma.com",
)  # fmt: skip
# An empty value counts as unset: without a host no video could be saved.
MEDIA_HOSTS = environment.words("LUMAWEB_MEDIA_HOSTS") or list(DEFAULT_MEDIA_HOSTS)
ADMIN_USERNAME = environment.text("LUMAWEB_ADMIN_USERNAME")
ADMIN_PASSWORD = environment.text("LUMAWEB_ADMIN_PASSWORD")

# ── Django ────────────────────────────────────────────────────────────────────────────────────────────────────
INSTALLED_APPS = [
    "django.contrib.admin.apps.SimpleAdminConfig",  # lumaweb/urls.py runs autodiscover, so workers do not load it
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "heroicons",
    "csp",
    "axes",
    "videos",
    "lumaweb.ops",
    "django_q",  # after lumaweb.ops, which overrides the qcluster command
]
MIDDLEWARE = [
    "videos.views.middleware.RequestMiddleware",
    "videos.views.middleware.CompressionMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "videos.views.middleware.OwnSessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "videos.views.middleware.FirstVisitMiddleware",
    "videos.views.middleware.SignInMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "videos.views.middleware.PrivatePagesMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "lumaweb.urls"
WSGI_APPLICATION = "lumaweb.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "videos.views.context.shell",
            ],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.DjangoTemplates"

DATABASES: dict[str, Any] = {
    "default": {
        "ENGINE": "lumaweb.sqlite",
        "NAME": DATA_DIR / "lumaweb.sqlite3",
        "CONN_MAX_AGE": 60,
        # A file, as in production: threads share it, and its locks are real.
        "TEST": {"NAME": DATA_DIR / "test.sqlite3"},
        "OPTIONS": {
            # IMMEDIATE: a transaction that writes waits at its start instead of failing at its end.
            # FULL: a power cut must not undo a claim that was committed before its POST was sent.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA mmap_size=134217728;",
        },
    }
}
if DATABASE_URL:
    try:
        DATABASES["default"] = dj_database_url.parse(DATABASE_URL, conn_max_age=60, conn_health_checks=True)
    except (dj_database_url.ParseError, dj_database_url.UnknownSchemeError) as error:
        raise ImproperlyConfigured(f"DATABASE_URL cannot be read: {error}") from None
    if DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
        raise ImproperlyConfigured(
            "DATABASE_URL is for PostgreSQL: postgres://user:password@host/name. Leave it unset for the SQLite file."
        )
    # Time out on a database that accepts connections and then hangs: the watchdog must not wait for it.
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
        "tcp_user_timeout": 25_000,
    } | DATABASES["default"].get("OPTIONS", {})  # fmt: skip
DATABASE_ROUTERS = ["videos.models.search.SearchIndexRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "videos.Member"
# The first locks out after too many wrong passwords; the second checks the password.
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
# Five wrong passwords for one name from one address, or thirty for any names from one address, within ten minutes lock
# out that address for ten minutes. Members elsewhere are never locked out by it.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=10)
AXES_LOCKOUT_PARAMETERS = "videos.views.throttling.lockout_parameters"
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "videos.views.client_address.client_address"
AXES_LOCKOUT_CALLABLE = "videos.views.throttling.lockout_response"
AXES_USERNAME_CALLABLE = "videos.views.throttling.username_digest"
AXES_SENSITIVE_PARAMETERS = ["username", "csrfmiddlewaretoken", "code"]
AXES_ENABLE_ADMIN = AXES_VERBOSE = False
AXES_DISABLE_ACCESS_LOG = True
# The number of proxies that add to X-Forwarded-For. With 0 the header is ignored, as any client can send it.
TRUSTED_PROXIES = environment.number("LUMAWEB_TRUSTED_PROXIES", 0, minimum=0, maximum=9)
PASSWORD_RESET_TIMEOUT = 24 * 3600
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "studio"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "en-us"
TIME_ZONE = environment.text("LUMAWEB_TIME_ZONE") or "UTC"
USE_I18N = False
USE_TZ = True

CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    # The cards of the gallery, about 3 KB each. One cache per process: fetching from a shared cache takes as long as
    # rendering.
    "cards": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "cards",
        "TIMEOUT": None,
        "OPTIONS": {"MAX_ENTRIES": 5000},
    },
}

# ── Files ─────────────────────────────────────────────────────────────────────────────────────────────────────
STATIC_URL = "static/"
# Not under DATA_DIR in a container image: the image contains the static files of its version.
STATIC_ROOT = Path(environment.text("LUMAWEB_STATIC_DIR") or DATA_DIR / "static").resolve()
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = DATA_DIR / "media"
# Object storage in place of that folder, or None.
BUCKET = environment.bucket("LUMAWEB_S3")
STORAGES = {
    # Without a URL: signed-in members get the files through views.
    "folder": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": MEDIA_ROOT,
            "base_url": None,
            "file_permissions_mode": permissions.MEDIA_FILE,
            "directory_permissions_mode": permissions.FOLDER,
        },
    },
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "lumaweb.static_storage.HashedStaticFiles"
    },
}
STORAGES["default"] = STORAGES["folder"]
if BUCKET:
    STORAGES["default"] = {
        "BACKEND": "lumaweb.object_storage.BucketStorage",
        "OPTIONS": {
            "bucket": BUCKET,
            "access_key": environment.text("LUMAWEB_S3_ACCESS_KEY"),
            "secret_key": environment.text("LUMAWEB_S3_SECRET_KEY"),
        },
    }
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
# The path by which the proxy sends files of MEDIA_ROOT (X-Accel-Redirect); without one, Lumaweb sends them.
ACCEL_PREFIX = environment.url_path("LUMAWEB_ACCEL_PREFIX")
FILE_UPLOAD_TEMP_DIR = DATA_DIR / "uploads"  # lumaweb/ops/apps.py creates it
FRAME_MAX_BYTES = 20 * 1024 * 1024
VIDEO_MAX_BYTES = 2 * 1024**3
# The largest body of a callback, of a form with two frames, and of any other request. The web server
# (lumaweb/server/parser.py) and the proxies in deploy/ refuse larger ones.
CALLBACK_PATH, CALLBACK_MAX_BYTES = "/callbacks/", 64 * 1024
FRAME_PATHS, FRAME_FORM_MAX_BYTES = ("/generations/", "/uploads/"), 2 * FRAME_MAX_BYTES + 2 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
# A selection sends one field for each video.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500

# ── Security ──────────────────────────────────────────────────────────────────────────────────────────────────
# Browsers accept a __Host- cookie over TLS only and from this host only: other hosts of the domain cannot set one.
_cookie = "__Host-lumaweb" if BEHIND_TLS else "lumaweb"
# Browsers ignore the port, so installations on one host get each other's cookies: the names tell them apart.
_cookie_id = hmac.digest(SECRET_KEY.encode(), b"lumaweb.cookie-names", "sha256").hex()[:8]
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"{_cookie}_session_{_cookie_id}", f"{_cookie}_csrf_{_cookie_id}"
MESSAGES_COOKIE_NAME = f"{_cookie}_messages_{_cookie_id}"
MESSAGE_STORAGE = "lumaweb.messages.MessageStorage"
SESSION_COOKIE_AGE = 30 * 24 * 3600
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = BEHIND_TLS
CSRF_FAILURE_VIEW = "videos.views.error_pages.csrf_failure"
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if BEHIND_TLS else 0
# Subdomains and the browsers' preload list commit a whole domain for a long time: its owner decides that. The checks
# W005 and W021 ask for both.
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = False
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
# The only proxy header that Django trusts, and only behind TLS; never the host or the port. The web server trusts none
# (lumaweb/server). A client that bypasses the proxy could only avoid the redirect to https.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS else None
USE_X_FORWARDED_HOST = USE_X_FORWARDED_PORT = False
# The proxy's health checks and scrapes of /metrics come over the internal network without TLS.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
if PUBLIC_URL and PUBLIC_URL.startswith("http:"):
    # The provider was given http: links, and a callback does not follow a redirect.
    SECURE_REDIRECT_EXEMPT += [r"^callbacks/", r"^frames/", r"^clips/"]
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
DEFAULT_EXCEPTION_REPORTER = "lumaweb.error_reports.Report"
DEFAULT_EXCEPTION_REPORTER_FILTER = "lumaweb.error_reports.Filter"
# Pages load media from this installation only, or from its bucket.
MEDIA_SOURCES = [SELF, *([BUCKET.origin] if BUCKET else [])]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        # blob: shows a chosen picture before it is uploaded.
        "img-src": [*MEDIA_SOURCES, "blob:"],
        "media-src": MEDIA_SOURCES,
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# ── Mail ──────────────────────────────────────────────────────────────────────────────────────────────────────
# For invitations and new passwords; without it, admins see the links and send them.
MAIL = environment.mail("LUMAWEB_EMAIL_URL")
CAN_MAIL = bool(MAIL)
CAN_MAIL_LINKS = CAN_MAIL and bool(SITE_URL)
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST, EMAIL_PORT, EMAIL_HOST_USER, EMAIL_HOST_PASSWORD, EMAIL_USE_TLS, EMAIL_USE_SSL = MAIL or (
    "localhost", 25, "", "", False, False
)  # fmt: skip
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = environment.sender("LUMAWEB_EMAIL_FROM", required=CAN_MAIL)

# ── The queue ─────────────────────────────────────────────────────────────────────────────────────────────────
# The queue only wakes workers; rows hold the state, so it repeats nothing (ack_failures, max_attempts). The task
# that drains the queue runs without a timeout, because it may hold results that a locked database refuses. `retry` is
# far above the timeouts of the others.
Q_CLUSTER: dict[str, Any] = {
    "name": "lumaweb",
    "workers": 2,
    "queue_limit": 2,
    "bulk": 1,
    "timeout": 120,
    "retry": 600,
    "max_attempts": 1,
    "ack_failures": True,
    "save_limit": -1,
    "guard_cycle": 0.5,
    "poll": 0.1,
    "recycle": 500,
    "catch_up": False,
    "scheduler": False,
    "label": "Queue",
    # Downloads have their own cluster, so that large files never keep a submission waiting.
    "ALT_CLUSTERS": {"media": {"workers": 2, "queue_limit": 2, "timeout": 900, "retry": 4000, "poll": 0.3}},
}
if REDIS_URL:
    Q_CLUSTER["redis"] = REDIS_URL
else:
    Q_CLUSTER["orm"] = "default"

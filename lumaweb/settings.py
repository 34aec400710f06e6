"""The settings of an installation. Every environment variable is read and validated here, once."""

import hmac
import os
import tomllib
from datetime import timedelta
from typing import Any

from csp.constants import NONE, SELF

from . import permissions
from .environment import env_file
from .environment.generated_secrets import read_or_generate
from .environment.paths import BASE_DIR, data_dir
from .environment.rules import require_valid
from .environment.services import with_timeouts
from .environment.site import read_site
from .environment.values import words
from .environment.variables import addresses, data, first_start, mail, monitoring, object_storage, sign_in, simulation
from .logs import logging_config
from .sign_in import AuthProxy, OpenIDConnect, name_of

ENV_FILE_WARNINGS = env_file.load()
require_valid()
VERSION: str = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]

# ── Addresses ─────────────────────────────────────────────────────────────────────────────────────────────────
DEBUG = monitoring.DEBUG.value
SITE = read_site()
HOST, PORT, LOCAL_URL = SITE.host, SITE.port, SITE.local_url
DATA_DIR = data_dir()
# For every file and folder that a process of this installation creates, whatever its parent's umask.
os.umask(permissions.UMASK)

# None if unset: only a provider on this machine can call back, by LOCAL_URL. "": no provider can.
PUBLIC_URL = SITE.public_url
# The address that members use. Links in mails start with it, never with the host of a request.
SITE_URL = SITE.site_url
ALLOWED_HOSTS = SITE.allowed_hosts
BEHIND_TLS = SITE_URL.startswith("https:")
CSRF_TRUSTED_ORIGINS = SITE.trusted_origins
# "" for a database in SQLite, and for a queue in the database.
DATABASE_URL, REDIS_URL = data.DATABASE_URL.text, data.REDIS_URL.value
# A host name other than loopback means that others reach this installation, perhaps by a proxy on this machine.
ON_LOOPBACK = SITE.on_loopback

# This file exists once the workers are asked to stop: they then claim no more videos.
WORKERS_STOPPING = DATA_DIR / "workers-stopping"

# ── Logs and metrics ──────────────────────────────────────────────────────────────────────────────────────────
LOG_FORMAT, LOG_LEVEL = monitoring.LOG_FORMAT.value, monitoring.LOG_LEVEL.value
LOGGING = logging_config(LOG_FORMAT, LOG_LEVEL, os.environ.get("Q_CLUSTER_NAME", ""))
# A line for each request, also for every poll of every open tab.
ACCESS_LOG = monitoring.ACCESS_LOG.value
# The bearer token of /metrics; without one there is no such page, and nothing is measured.
METRICS_TOKEN = monitoring.METRICS_TOKEN.value
METRICS_EVERY = 10.0  # seconds between two writes of a process's measurements to the database

# ── Secrets ───────────────────────────────────────────────────────────────────────────────────────────────────
ENCRYPTION_KEYS_GIVEN = bool(first_start.ENCRYPTION_KEYS.value)  # else they are in a file
SECRET_KEY = first_start.SECRET_KEY.value or read_or_generate(DATA_DIR / "secret-key")
ENCRYPTION_KEYS = first_start.ENCRYPTION_KEYS.value or words(read_or_generate(DATA_DIR / "encryption-keys"))

# ── The provider ──────────────────────────────────────────────────────────────────────────────────────────────
LUMA_BASE_URL = first_start.LUMA_BASE_URL.value
LUMA_BASE_URL_GIVEN = bool(LUMA_BASE_URL)
LUMA_BASE_URL = LUMA_BASE_URL or "https://api.acedata.cloud"
FIRST_TOKEN = first_start.LUMA_TOKEN.value
SANDBOX_FAULTS = simulation.SANDBOX_FAULTS.value
SANDBOX_URL = f"http://127.0.0.1:{simulation.SANDBOX_PORT.value}"
DEFAULT_MEDIA_HOSTS = tuple(words(data.MEDIA_HOSTS.default))
MEDIA_HOSTS = data.MEDIA_HOSTS.value
ADMIN_USERNAME, ADMIN_PASSWORD = first_start.ADMIN_USERNAME.value, first_start.ADMIN_PASSWORD.value

# ── Sign-in ───────────────────────────────────────────────────────────────────────────────────────────────────
OIDC: OpenIDConnect | None = None
OIDC_CLIENT_SECRET = sign_in.OIDC_CLIENT_SECRET.value
if issuer := sign_in.OIDC_ISSUER.value:
    OIDC = OpenIDConnect(
        issuer,
        sign_in.OIDC_CLIENT_ID.value,
        sign_in.OIDC_DOMAINS.value,
        sign_in.OIDC_ADMIN_GROUP.value,
        sign_in.OIDC_NAME.value or name_of(issuer),
    )
PASSWORD_SIGN_IN = sign_in.PASSWORD_SIGN_IN.value
AUTH_PROXY: AuthProxy | None = None
if auth_header := sign_in.AUTH_HEADER.value:
    AUTH_PROXY = AuthProxy(auth_header, sign_in.AUTH_PROXIES.value)

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
    "videos.views.proxy_sign_in.ProxySignInMiddleware",
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
if database := data.DATABASE_URL.value:
    DATABASES["default"] = database
    # Time out on a database that accepts connections and then hangs: the watchdog must not wait for it.
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
        "tcp_user_timeout": 25_000,
    } | DATABASES["default"].get("OPTIONS", {})  # fmt: skip
DATABASE_ROUTERS = ["videos.models.search.SearchIndexRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "videos.Member"
# They lock out after too many wrong passwords, refuse passwords if they are off, and check the password.
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "videos.password_sign_in.PasswordSwitch",
    "django.contrib.auth.backends.ModelBackend",
]
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
TRUSTED_PROXIES = addresses.TRUSTED_PROXIES.value
PASSWORD_RESET_TIMEOUT = 24 * 3600
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "studio"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "en-us"
TIME_ZONE = monitoring.TIME_ZONE.value
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
STATIC_ROOT = data.STATIC_DIR.value or DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = DATA_DIR / "media"
# Object storage in place of that folder, or None.
BUCKET = object_storage.bucket()
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
# Where scheduled backups go, or None: then there are none.
BACKUP_DIR = data.BACKUP_DIR.value
STORAGES["default"] = STORAGES["folder"]
if BUCKET:
    STORAGES["default"] = {
        "BACKEND": "lumaweb.object_storage.BucketStorage",
        "OPTIONS": {
            "bucket": BUCKET,
            "access_key": object_storage.S3_ACCESS_KEY.value,
            "secret_key": object_storage.S3_SECRET_KEY.value,
        },
    }
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
# The path by which the proxy sends files of MEDIA_ROOT (X-Accel-Redirect); without one, Lumaweb sends them.
ACCEL_PREFIX = data.ACCEL_PREFIX.value
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
MAIL = mail.EMAIL_URL.value
CAN_MAIL = bool(MAIL)
CAN_MAIL_LINKS = CAN_MAIL and bool(SITE_URL)
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST, EMAIL_PORT, EMAIL_HOST_USER, EMAIL_HOST_PASSWORD, EMAIL_USE_TLS, EMAIL_USE_SSL = MAIL or (
    "localhost", 25, "", "", False, False
)  # fmt: skip
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = mail.EMAIL_FROM.value or "Lumaweb <lumaweb@localhost>"

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
# Steps of the installation that the ticker runs, by their name in `/readyz`: classes with `run` and `stop`.
TICKER_STEPS = {"backups": "lumaweb.ops.backup.schedule.BackupSchedule"}
if REDIS_URL:
    Q_CLUSTER["redis"] = with_timeouts(REDIS_URL)
else:
    Q_CLUSTER["orm"] = "default"

"""Every variable: values that are read, and values that stop the start with a sentence that says what to write."""

import os
from ipaddress import ip_network

import pytest
from django.core.exceptions import ImproperlyConfigured

from lumaweb.environment import rules
from lumaweb.environment.services import Mail
from lumaweb.environment.variables import VARIABLES

from ...support.settings_process import KEYS

KEY, OTHER_KEY = KEYS["LUMAWEB_ENCRYPTION_KEYS"], "YW5vdGhlci1rZXktdGhhdC1pcy1ub3QtYS1zZWNyZXQ="

READ = [
    ("HOST", "", "127.0.0.1"),
    ("HOST", "0.0.0.0", "0.0.0.0"),
    ("HOST", "[::1]", "::1"),
    ("HOST", "studio.lan", "studio.lan"),
    ("PORT", " 8100 ", 8100),
    ("LUMAWEB_PUBLIC_URL", "https://films.example.com/", "https://films.example.com"),
    ("LUMAWEB_PUBLIC_URL", "http://[fd00::2]:8000", "http://[fd00::2]:8000"),
    ("LUMAWEB_ALLOWED_HOSTS", "Films.example.com, 10.0.0.5 ,", ["films.example.com", "10.0.0.5"]),
    ("LUMAWEB_ALLOWED_HOSTS", "::1,[fd00::2],.example.com,*", ["[::1]", "[fd00::2]", ".example.com", "*"]),
    ("LUMAWEB_MEDIA_HOSTS", "cdn.example.com", ["cdn.example.com"]),
    ("LUMAWEB_TRUSTED_PROXIES", "2", 2),
    ("LUMAWEB_DEBUG", "Yes", True),
    ("LUMAWEB_DEBUG", "off", False),
    ("LUMAWEB_LOG_LEVEL", "warning", "WARNING"),
    ("LUMAWEB_LOG_LEVEL", "", "INFO"),
    ("LUMAWEB_LOG_FORMAT", "JSON", "json"),
    ("LUMAWEB_TIME_ZONE", "America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
    ("LUMAWEB_SECRET_KEY", KEY, KEY),
    ("LUMAWEB_ENCRYPTION_KEYS", f"{OTHER_KEY},{KEY}", [OTHER_KEY, KEY]),
    ("LUMAWEB_LUMA_TOKEN", "sandbox-team:key", "sandbox-team:key"),
    ("LUMAWEB_ADMIN_PASSWORD", '"it\'s quoted"', '"it\'s quoted"'),
    ("LUMAWEB_METRICS_TOKEN", "m" * 20, "m" * 20),
    ("LUMAWEB_ACCEL_PREFIX", "/protected-media/", "/protected-media/"),
    ("LUMAWEB_EMAIL_URL", "smtps://ada:p%40ss@mail.example.com",
     Mail("mail.example.com", 465, "ada", "p@ss", starttls=False, tls=True)),
    # Unambiguous without percent-encoding, as many providers use an address as the user.
    ("LUMAWEB_EMAIL_URL", "smtp://ada@example.com:p@ss@mail.example.com",
     Mail("mail.example.com", 587, "ada@example.com", "p@ss", starttls=True, tls=False)),
    ("REDIS_URL", "redis://:p@ss@redis/0", "redis://:p@ss@redis/0"),
    ("REDIS_URL", "rediss://:secret@redis.example.com:6380/1", "rediss://:secret@redis.example.com:6380/1"),
    ("LUMAWEB_OIDC_ISSUER", "https://login.example.com/realms/team/", "https://login.example.com/realms/team/"),
    ("LUMAWEB_OIDC_ISSUER", "http://127.0.0.1:9000", "http://127.0.0.1:9000"),
    ("LUMAWEB_OIDC_DOMAINS", "@Example.com, b.example.org,", ["example.com", "b.example.org"]),
    ("LUMAWEB_AUTH_PROXIES", "10.0.0.5, fd00::/64", [ip_network("10.0.0.5"), ip_network("fd00::/64")]),
    ("LUMAWEB_AUTH_PROXIES", "fd00::/8, 2600:9000::/28", [ip_network("fd00::/8"), ip_network("2600:9000::/28")]),
    ("LUMAWEB_PASSWORD_SIGN_IN", "", True),
    ("SANDBOX_SECONDS", "0.5", 0.5),
    ("SANDBOX_FAULTS", "lost=0.1, twice=1", "lost=0.1, twice=1"),
]  # fmt: skip

ORIGINS = ("LUMAWEB_PUBLIC_URL", "LUMAWEB_SITE_URL", "LUMAWEB_LUMA_BASE_URL", "LUMAWEB_S3_ENDPOINT")
# The variable, the value, and what the sentence says of it.
REFUSED = [
    ("HOST", "0.0.0.0:8000", "has a port; set it to 0.0.0.0, and PORT to 8000"),
    ("HOST", "[::]:8000", "has a port; set it to ::, and PORT to 8000"),
    ("HOST", "http://studio.lan/", "has a scheme; set it to studio.lan."),
    ("HOST", "studio.lan/films", "has a path; set it to studio.lan."),
    ("HOST", "*", "set it to 0.0.0.0 for all addresses"),
    ("HOST", "münchen.example", "is not ASCII; set it to xn--mnchen-3ya.example."),
    ("HOST", "10.0.0.300", "set it to an address of this machine"),
    ("PORT", "http", "set it to a whole number from 1 to 65535"),
    ("PORT", "0", "set it to a whole number"),
    ("PORT", "65536", "set it to a whole number"),
    ("PORT", "80.5", "set it to a whole number"),
    ("PORT", "٨٠٠٠", "set it to a whole number"),
    ("PORT", "9" * 5000, "set it to a whole number"),
    ("PORT", '"8000"', "is in quotes; set it to the same without them"),
    *((name, "films.example.com", "https://films.example.com") for name in ORIGINS),
    *((name, "https://films.example.com/studio", "has a path") for name in ORIGINS),
    *((name, "https://ada:topsecret@films.example.com", "has a user or a password") for name in ORIGINS),
    ("LUMAWEB_PUBLIC_URL", "ftp://films.example.com", "perhaps https://films.example.com"),
    ("LUMAWEB_PUBLIC_URL", "https://films.example.com:port", "set it to an address such as"),
    ("LUMAWEB_PUBLIC_URL", "https://films.example.com:0", "has no valid port"),
    ("LUMAWEB_PUBLIC_URL", "https://", "has no host"),
    ("LUMAWEB_SITE_URL", "https://münchen.example", "is not ASCII; set it to https://xn--mnchen-3ya.example."),
    ("LUMAWEB_SITE_URL", "http://straße.example:8000/", "is not ASCII; set it to http://xn--strae-oqa.example:8000."),
    ("LUMAWEB_SITE_URL", "https://mün chen.example", "has spaces or quotes"),
    ("LUMAWEB_SITE_URL", "https://münchen..example", "has no valid host"),
    ("LUMAWEB_PUBLIC_URL", "https://films example.com", "has spaces or quotes"),
    ("LUMAWEB_SITE_URL", "'https://films.example.com'", "is in quotes"),
    ("LUMAWEB_ALLOWED_HOSTS", '"a.example",b.example', "it has quotes; set it to a.example in this place"),
    ("LUMAWEB_ALLOWED_HOSTS", '["a.example", "b.example"]', "is written as code; set it to a.example,b.example"),
    ("LUMAWEB_ALLOWED_HOSTS", "https://a.example,b.example", "it has a scheme; set it to a.example in this place"),
    ("LUMAWEB_ALLOWED_HOSTS", "a.example:8000", "it has a port; set it to a.example in this place"),
    ("LUMAWEB_ALLOWED_HOSTS", "a.example/films", "it has a path; set it to a.example in this place"),
    ("LUMAWEB_ALLOWED_HOSTS", "a.example b.example", "not separated by commas; set it to a.example,b.example"),
    ("LUMAWEB_ALLOWED_HOSTS", "a_b..example", "not a host"),
    ("LUMAWEB_ALLOWED_HOSTS", "straße.example", "it is not ASCII; set it to xn--strae-oqa.example in this place"),
    ("LUMAWEB_ALLOWED_HOSTS", "straße.example:8000", "it has a port; set it to xn--strae-oqa.example in this place"),
    ("LUMAWEB_MEDIA_HOSTS", "*", "not a host"),
    ("LUMAWEB_MEDIA_HOSTS", "https://cdn.example.com", "it has a scheme; set it to cdn.example.com"),
    ("LUMAWEB_TRUSTED_PROXIES", "-1", "set it to a whole number from 0 to 9"),
    ("LUMAWEB_TRUSTED_PROXIES", "one", "set it to a whole number from 0 to 9"),
    ("LUMAWEB_DEBUG", "maybe", "set it to 1 or 0"),
    ("LUMAWEB_ACCESS_LOG", "2", "set it to 1 or 0"),
    ("LUMAWEB_LOG_LEVEL", "verbose", "set it to DEBUG, INFO, WARNING or ERROR"),
    ("LUMAWEB_LOG_LEVEL", "WARN", "set it to WARNING"),
    ("LUMAWEB_LOG_FORMAT", "xml", "set it to line or json"),
    ("LUMAWEB_TIME_ZONE", "Europe/Berln", "set it to Europe/Berlin"),
    ("LUMAWEB_TIME_ZONE", "berlin", "set it to Europe/Berlin"),
    ("LUMAWEB_TIME_ZONE", "New York", "set it to America/New_York"),
    ("LUMAWEB_TIME_ZONE", "Mars/Olympus", "is not a time zone; set it to a name such as"),
    ("LUMAWEB_DATA_DIR", "~/lumaweb", "only a shell understands"),
    ("LUMAWEB_DATA_DIR", "file:///var/lib/lumaweb", "is not a path"),
    ("LUMAWEB_DATA_DIR", "/etc/passwd", "is a file"),
    ("LUMAWEB_ACCEL_PREFIX", "protected", "set it to a path such as /protected-media/"),
    ("LUMAWEB_EMAIL_FROM", "Lumaweb", "set it to an address such as Lumaweb <films@example.com>"),
    ("LUMAWEB_S3_LINK_SECONDS", "5", "set it to a whole number from 60 to 3600"),
    ("LUMAWEB_OIDC_ISSUER", "login.example.com", "is not an address; set it to the issuer"),
    ("LUMAWEB_OIDC_ISSUER", "http://login.example.com/a", "has no TLS"),
    ("LUMAWEB_OIDC_ISSUER", "http://login.example.com/a", "set it to https://login.example.com/a."),
    ("LUMAWEB_OIDC_ISSUER", "https://login.example.com/?tenant=1", "has more than a host and a path"),
    ("LUMAWEB_OIDC_ISSUER", "https://login.example.com/a b", "has more than a host and a path"),
    ("LUMAWEB_OIDC_ISSUER", "https://login.example.com:port", "set it to the issuer"),
    ("LUMAWEB_OIDC_ISSUER", "https://login.example.com:0", "is not an address; set it to the issuer"),
    ("LUMAWEB_OIDC_ISSUER", "https://a/realms/x/.well-known/openid-configuration", "set it to https://a/realms/x."),
    ("LUMAWEB_OIDC_CLIENT_ID", "my app", "has spaces"),
    ("LUMAWEB_OIDC_DOMAINS", "example", "has 'example' in it"),
    ("LUMAWEB_OIDC_DOMAINS", "ada@example.com", "such as example.com,example.org"),
    ("LUMAWEB_OIDC_DOMAINS", "*.example.com", "has '*.example.com' in it"),
    ("LUMAWEB_OIDC_DOMAINS", "https://example.com", "has 'https://example.com' in it"),
    ("LUMAWEB_PASSWORD_SIGN_IN", "never", "set it to 1 or 0"),
    ("LUMAWEB_AUTH_HEADER", "Remote_User", "has an underscore, which proxies drop"),
    ("LUMAWEB_AUTH_HEADER", "Remote-User:", "set it to the header in which the proxy names the member"),
    ("LUMAWEB_AUTH_HEADER", "X-Forwarded-For", "has another meaning"),
    ("LUMAWEB_AUTH_HEADER", "cookie", "has another meaning"),
    ("LUMAWEB_AUTH_PROXIES", "proxy.lan", "has 'proxy.lan' in it, which is neither an address nor a network"),
    ("LUMAWEB_AUTH_PROXIES", "10.0.0.5/24", "set it to 10.0.0.0/24 or 10.0.0.5."),
    ("LUMAWEB_AUTH_PROXIES", "10.0.0.5,0.0.0.0/0", "which includes the addresses of strangers"),
    ("LUMAWEB_AUTH_PROXIES", "::/0", "which includes the addresses of strangers"),
    ("LUMAWEB_AUTH_PROXIES", "2000::/8", "which includes the addresses of strangers"),
    ("LUMAWEB_AUTH_PROXIES", "::ffff:10.0.0.5", "which no connection matches; set it to 10.0.0.5."),
    ("LUMAWEB_AUTH_PROXIES", "::ffff:10.1.0.0/112", "which no connection matches; set it to 10.1.0.0/16."),
    ("SANDBOX_SCALE", "2", "set it to a number from 0.02 to 1"),
    ("SANDBOX_SECONDS", "nan", "set it to a number from 0 to 86400"),
    ("SANDBOX_FAULTS", "lost", "such as lost=0.1,twice=0.05"),
    ("SANDBOX_FAULTS", "lost=2", "such as lost=0.1,twice=0.05"),
    ("SANDBOX_EXTEND", "all", "set it to part or whole"),
]
# Values of secrets: the sentence must not contain them. "topsecret" is in each.
SECRETS = [
    ("LUMAWEB_LUMA_TOKEN", "Bearer topsecret", "set it to the token alone"),
    ("LUMAWEB_LUMA_TOKEN", "Authorization: Bearer topsecret", "set it to the token alone"),
    ("LUMAWEB_LUMA_TOKEN", '"topsecret"', "is in quotes"),
    ("LUMAWEB_LUMA_TOKEN", "“topsecret”", "has quotes"),
    ("LUMAWEB_LUMA_TOKEN", "topsecret 123", "has spaces"),
    ("LUMAWEB_LUMA_TOKEN", "topsecret••••", "masked token"),
    ("LUMAWEB_OIDC_CLIENT_SECRET", "topsecret 1", "has spaces or quotes"),
    ("LUMAWEB_OIDC_CLIENT_SECRET", "“topsecret”", "has spaces or quotes"),
    ("LUMAWEB_METRICS_TOKEN", "topsecret", "has 9 characters; set it to 20 to 200"),
    ("LUMAWEB_METRICS_TOKEN", "topsecret with spaces in it", "has spaces"),
    ("LUMAWEB_METRICS_TOKEN", "topsecret" * 30, "has 270 characters"),
    ("LUMAWEB_SECRET_KEY", "topsecret", "has 9 characters, and a key that cannot be guessed needs 32"),
    ("LUMAWEB_SECRET_KEY", "topsecret" * 4, "has only 7 different characters"),
    ("LUMAWEB_SECRET_KEY", "django-insecure-topsecret-0123456789", "made for development"),
    ("LUMAWEB_ENCRYPTION_KEYS", "topsecret", "has a key that is not 32 bytes in URL-safe base64"),
    ("LUMAWEB_ENCRYPTION_KEYS", f"{KEY},topsecret", "has 2 keys, of which number 2 is not 32 bytes"),
    ("LUMAWEB_ENCRYPTION_KEYS", "topsecretü", "is not 32 bytes"),
    ("LUMAWEB_EMAIL_URL", "http://ada:topsecret@mail.example.com", "begins with http://; set it to smtp://"),
    ("LUMAWEB_EMAIL_URL", "ada:topsecret@mail.example.com", "does not begin with smtp://"),
    ("LUMAWEB_EMAIL_URL", "smtp://ada:topsecret@mail.example.com:port", "percent-encode it"),
    ("LUMAWEB_EMAIL_URL", "smtp://ada:topsecret@mail..example.com", "has no valid host"),
    ("LUMAWEB_EMAIL_URL", "smtp://ada:top/topsecret@mail.example.com", "%2F for /"),
    ("LUMAWEB_EMAIL_URL", "smtp://ada:top#topsecret@mail.example.com", "%23 for #"),
    ("LUMAWEB_EMAIL_URL", "smtp://ada:topsecret@", "has no host"),
    ("DATABASE_URL", "mysql://ada:topsecret@db/films", "begins with mysql://; set it to postgres://"),
    ("DATABASE_URL", "sqlite:///topsecret.sqlite3", "is for PostgreSQL; set it to postgres://"),
    ("DATABASE_URL", "postgres://ada:topsecret@db", "names no database"),
    ("DATABASE_URL", "postgres://ada:topsecret@db:port/films", "percent-encode it"),
    ("DATABASE_URL", "postgres://ada:top#topsecret@db/films", "percent-encode it"),
    ("DATABASE_URL", "'postgres://ada:topsecret@db/films'", "is in quotes"),
    ("DATABASE_URL", "db=films password=topsecret", "does not begin with postgres://"),
    ("REDIS_URL", "http://:topsecret@redis", "begins with http://; set it to redis://"),
    ("REDIS_URL", "redis://:topsecret@redis/films", "number of a database"),
    ("REDIS_URL", "redis://", "has no host"),
]


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith(("LUMAWEB_", "SANDBOX_")) or name in VARIABLES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("LUMAWEB_DATA_DIR", str(tmp_path))


def fault() -> str:
    with pytest.raises(ImproperlyConfigured) as stopped:
        rules.require_valid()
    return str(stopped.value)


@pytest.mark.parametrize(("name", "value", "expected"), READ)
def test_a_value_is_read(monkeypatch, name, value, expected):
    monkeypatch.setenv(name, value)
    assert VARIABLES[name].value == expected


@pytest.mark.parametrize("url", ["postgres://ada:p@ss@db/films", "pgsql://ada:p%40ss@db/films"])
def test_a_database_with_an_at_sign_in_the_password_is_read(monkeypatch, url):
    monkeypatch.setenv("DATABASE_URL", url)
    database = VARIABLES["DATABASE_URL"].value
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["HOST"], database["USER"], database["PASSWORD"]) == ("db", "ada", "p@ss")


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_that_is_unset_or_empty_is_valid(monkeypatch, name):
    rules.require_valid()
    monkeypatch.setenv(name, " ")
    if name == "LUMAWEB_DATA_DIR":
        return  # the default is this checkout's
    rules.require_valid()


@pytest.mark.parametrize(("name", "value", "sentence"), REFUSED)
def test_a_value_that_cannot_be_right_is_named_and_shown(monkeypatch, name, value, sentence):
    monkeypatch.setenv(name, value)
    said = fault()
    assert said.startswith(f"{name} is ") and sentence in said and "; set it to " in said
    assert "\n" not in said and len(said) < 500
    assert "topsecret" not in said
    assert value[:100] in said or "topsecret" in value


@pytest.mark.parametrize(("name", "value", "sentence"), SECRETS)
def test_a_secret_that_cannot_be_right_is_named_and_not_shown(monkeypatch, name, value, sentence):
    monkeypatch.setenv(name, value)
    said = fault()
    assert said.startswith(f"{name} ") and sentence in said and "; set it to " in said
    assert "topsecret" not in said and "\n" not in said


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ({"LUMAWEB_ADMIN_USERNAME": "ada"}, "LUMAWEB_ADMIN_USERNAME is set and LUMAWEB_ADMIN_PASSWORD is not"),
        ({"LUMAWEB_S3_BUCKET": "films", "LUMAWEB_S3_SECRET_KEY": "topsecret"}, "LUMAWEB_S3_ACCESS_KEY is not"),
        ({"LUMAWEB_EMAIL_URL": "smtp://mail.example.com"}, "LUMAWEB_EMAIL_FROM is not set, although"),
        (
            {"LUMAWEB_OIDC_CLIENT_SECRET": "topsecret"},
            "LUMAWEB_OIDC_CLIENT_SECRET is set and LUMAWEB_OIDC_ISSUER is not",
        ),
        ({"LUMAWEB_OIDC_DOMAINS": "example.com"}, "LUMAWEB_OIDC_DOMAINS is set and LUMAWEB_OIDC_ISSUER is not"),
        (
            {"LUMAWEB_OIDC_ISSUER": "https://login.example.com"},
            "LUMAWEB_OIDC_CLIENT_ID is not; set it to the client ID",
        ),
        (
            {"LUMAWEB_OIDC_ISSUER": "https://a.example", "LUMAWEB_OIDC_CLIENT_ID": "x", "HOST": "0.0.0.0"},
            "LUMAWEB_SITE_URL is not",
        ),
        ({"LUMAWEB_AUTH_HEADER": "Remote-User"}, "LUMAWEB_AUTH_PROXIES is not; set it to the addresses"),
        ({"LUMAWEB_AUTH_PROXIES": "10.0.0.5"}, "LUMAWEB_AUTH_HEADER is not; set it to the header"),
        ({"LUMAWEB_PASSWORD_SIGN_IN": "0"}, "there is no other way to sign in; set LUMAWEB_OIDC_ISSUER or"),
        ({"DATABASE_URL": "postgres://db/films", "LUMAWEB_ENCRYPTION_KEYS": KEY}, "LUMAWEB_SECRET_KEY is not set"),
    ],
)
def test_variables_that_need_each_other_are_checked_together(monkeypatch, env, sentence):
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    said = fault()
    assert sentence in said and "topsecret" not in said


def test_all_faults_are_listed_at_once(monkeypatch):
    for name in ("PORT", "LUMAWEB_TIME_ZONE", "LUMAWEB_DEBUG", "DATABASE_URL"):
        monkeypatch.setenv(name, "wrong")
    monkeypatch.setenv("LUMAWEB_ADMIN_USERNAME", "ada")
    first, *lines = fault().splitlines()
    assert first == "5 settings need a change."
    assert [line.split()[0] for line in lines] == [
        "PORT", "DATABASE_URL", "LUMAWEB_TIME_ZONE", "LUMAWEB_DEBUG", "LUMAWEB_ADMIN_USERNAME"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("LUMAWEB_PUBLICURL", "LUMAWEB_PUBLIC_URL"),
        ("LUMAWEB_ALLOWED_HOST", "LUMAWEB_ALLOWED_HOSTS"),
        ("LUMAWEB_TIMEZONE", "LUMAWEB_TIME_ZONE"),
        ("lumaweb_debug", "LUMAWEB_DEBUG"),
        ("LUMAWEB_DATABASE_URL", "DATABASE_URL"),
        ("LUMAWEB_PORT", "PORT"),
        ("SANDBOX_SECOND", "SANDBOX_SECONDS"),
        ("LUMAWEB_SOMETHING_ELSE", ""),
        ("LUMAWEB_TEST_BROWSER", ""),
    ],
)
def test_a_name_that_is_almost_known_is_warned_about(monkeypatch, name, meant):
    monkeypatch.setenv(name, "topsecret")
    expected = [f"{name} is not a setting and has no effect; did you mean {meant}?"] if meant else []
    assert rules.unknown_names() == expected


def test_the_sandbox_accepts_what_the_table_accepts_and_has_the_same_defaults():
    from videos.sandbox.options import parse_options

    known = {name: variable for name, variable in VARIABLES.items() if name.startswith("SANDBOX_")}
    options = parse_options([], {})
    for name, variable in known.items():
        if name != "SANDBOX_FAULTS":
            assert getattr(options, name.removeprefix("SANDBOX_").lower()) == variable.value
    example = {name: variable.example or variable.default for name, variable in known.items()}
    assert parse_options([], example).faults == {"lost": 0.1, "twice": 0.05}

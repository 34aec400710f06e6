"""Settings of the provider. TOOLKIT_PROVIDER has the rest as JSON: `folder`, `client`, and claims by username."""

import json
import os

from joserfc.jwk import RSAKey

GIVEN = json.loads(os.environ["TOOLKIT_PROVIDER"])

ALLOWED_HOSTS = ["127.0.0.1"]
SECRET_KEY = "not-a-secret"
ROOT_URLCONF = "tests.support.toolkit_provider.urls"
LOGIN_URL = "/sign-in/"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{GIVEN['folder']}/provider.sqlite3"}}
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider"]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
SIGN_IN_PAGE = "<form method='post'>{% csrf_token %}{{ form }}<button>Sign in</button></form>"
LOADERS = [
    ("django.template.loaders.locmem.Loader", {"registration/login.html": SIGN_IN_PAGE}),
    "django.template.loaders.app_directories.Loader",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": {"loaders": LOADERS}}]
OAUTH2_PROVIDER = {
    "OIDC_ENABLED": True,
    "OIDC_RSA_PRIVATE_KEY": RSAKey.generate_key(2048).as_pem(private=True).decode(),
    "OAUTH2_VALIDATOR_CLASS": "tests.support.toolkit_provider.urls.Validator",
    "SCOPES": {name: name for name in ("openid", "email", "profile", "groups")},
}

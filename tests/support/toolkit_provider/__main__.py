"""Run the provider on a free port, and print its issuer when it accepts connections."""

import logging
import os

import django
import waitress
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.support.toolkit_provider.settings"
django.setup()

# Not imported: modules of models need the settings.
User, Application = apps.get_model("auth.User"), apps.get_model("oauth2_provider.Application")

logging.disable(logging.WARNING)
call_command("migrate", verbosity=0)
for name in settings.GIVEN["people"]:
    User.objects.create_user(name, password=name)
Application.objects.create(
    client_type=Application.CLIENT_CONFIDENTIAL,
    authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
    algorithm=Application.RS256_ALGORITHM,
    **settings.GIVEN["client"],
)
server = waitress.create_server(get_wsgi_application(), listen="127.0.0.1:0")
print(f"http://127.0.0.1:{server.effective_port}/o", flush=True)
server.run()

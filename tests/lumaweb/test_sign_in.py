"""The name of the OpenID provider on the sign-in button."""

import pytest

from lumaweb.sign_in import name_of


@pytest.mark.parametrize(
    ("issuer", "name"),
    [
        ("https://accounts.google.com", "Google"),
        ("https://login.microsoftonline.com/tenant/v2.0", "Microsoft"),
        ("https://team.okta.com/oauth2/default", "Okta"),
        ("https://team.eu.auth0.com/", "Auth0"),
        ("https://login.example.com/realms/team", "login.example.com"),
        ("https://okta.com.example.com", "okta.com.example.com"),
        ("http://127.0.0.1:9400", "SSO"),
        ("http://[::1]:9400", "SSO"),
        ("http://localhost:9400", "SSO"),
    ],
)
def test_the_button_names_the_provider(issuer, name):
    assert name_of(issuer) == name

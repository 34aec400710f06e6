"""Sign-in: OpenID Connect, passwords, and a proxy that authenticates."""

from .. import sign_in, values
from ..variable import Section, Variable

OIDC_ISSUER = Variable(
    name="LUMAWEB_OIDC_ISSUER",
    parse=sign_in.issuer,
    meaning="the issuer of your identity provider, for [OpenID Connect](sign-in.md#openid-connect)",
    example="https://login.example.com/realms/team",
)
OIDC_CLIENT_ID = Variable(
    name="LUMAWEB_OIDC_CLIENT_ID",
    parse=sign_in.client_id,
    meaning="the client ID that the identity provider shows for Lumaweb",
    default_meaning="none; required with `LUMAWEB_OIDC_ISSUER`",
    example="lumaweb",
)
OIDC_CLIENT_SECRET = Variable(
    name="LUMAWEB_OIDC_CLIENT_SECRET",
    parse=sign_in.client_secret,
    meaning="the client's secret",
    default_meaning="none: Lumaweb is a public client",
    is_secret=True,
)
OIDC_DOMAINS = Variable(
    name="LUMAWEB_OIDC_DOMAINS",
    parse=sign_in.domains,
    meaning="email domains whose verified addresses may join without an invitation, comma-separated",
    default_meaning="none: only invited and linked people sign in",
    example="example.com,example.org",
)
OIDC_ADMIN_GROUP = Variable(
    name="LUMAWEB_OIDC_ADMIN_GROUP",
    parse=values.text,
    meaning="the group of the identity provider whose members are admins",
    default_meaning="none: admins set the roles",
    example="lumaweb-admins",
)
OIDC_NAME = Variable(
    name="LUMAWEB_OIDC_NAME",
    parse=values.text,
    meaning="what the button “Sign in with …” calls the identity provider",
    default_meaning="Google, Microsoft, Okta and others by their issuer; else its host, or SSO for an IP address",
    example="Example",
)
PASSWORD_SIGN_IN = Variable(
    name="LUMAWEB_PASSWORD_SIGN_IN",
    parse=values.flag,
    default="1",
    meaning="`0`: [nobody signs in with a password](sign-in.md#without-passwords)",
    example="0",
)
AUTH_HEADER = Variable(
    name="LUMAWEB_AUTH_HEADER",
    parse=sign_in.header,
    meaning="the header in which [a proxy that authenticates](sign-in.md#a-proxy-that-authenticates) names the member",
    example="Remote-User",
)
AUTH_PROXIES = Variable(
    name="LUMAWEB_AUTH_PROXIES",
    parse=sign_in.networks,
    meaning="the addresses or networks from which that header is believed, comma-separated",
    default_meaning="none; required with `LUMAWEB_AUTH_HEADER`",
    example="10.0.0.5",
)

SECTION = Section(
    "Sign-in",
    "docs/operator/configuration.md",
    (
        OIDC_ISSUER,
        OIDC_CLIENT_ID,
        OIDC_CLIENT_SECRET,
        OIDC_DOMAINS,
        OIDC_ADMIN_GROUP,
        OIDC_NAME,
        PASSWORD_SIGN_IN,
        AUTH_HEADER,
        AUTH_PROXIES,
    ),
)

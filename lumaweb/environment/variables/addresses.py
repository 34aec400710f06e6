"""The addresses of the installation."""

from .. import addresses, values
from ..variable import Section, Variable

HOST = Variable(
    name="HOST",
    parse=addresses.listening_host,
    default="127.0.0.1",
    meaning="the address that the web server listens on; `0.0.0.0` for [all of this machine](#on-a-local-network)",
    example="0.0.0.0",
)
PORT = Variable(
    name="PORT", parse=values.number(1, 65535), default="8000", meaning="the port that the web server listens on"
)
PUBLIC_URL = Variable(
    name="LUMAWEB_PUBLIC_URL",
    parse=addresses.origin,
    meaning="the address at which the provider reaches Lumaweb. Empty, or unset with a real provider: no callbacks, "
    "Lumaweb looks results up",
    default_meaning="with the sandbox `http://HOST:PORT`, else none",
    example="https://films.example.com",
)
SITE_URL = Variable(
    name="LUMAWEB_SITE_URL",
    parse=addresses.origin,
    meaning="the address members use. Links in mails and share links begin with it",
    default_meaning="`LUMAWEB_PUBLIC_URL`; on loopback `http://HOST:PORT`; else none, and Lumaweb mails no links",
    example="https://films.example.com",
)
ALLOWED_HOSTS = Variable(
    name="LUMAWEB_ALLOWED_HOSTS",
    parse=addresses.served_hosts,
    meaning="host names that are served, comma-separated",
    default_meaning="loopback, `HOST`, and the hosts of the two addresses; "
    "[on a local network](#on-a-local-network) this machine's names and addresses",
    example="films.example.com,127.0.0.1",
)
TRUSTED_PROXIES = Variable(
    name="LUMAWEB_TRUSTED_PROXIES",
    parse=values.number(0, 9),
    default="0",
    default_meaning="`0`: the header is ignored",
    meaning="number of proxies in front that append to `X-Forwarded-For`",
    example="1",
)

SECTION = Section(
    "Addresses",
    "docs/operator/configuration.md",
    (
        HOST,
        PORT,
        PUBLIC_URL,
        SITE_URL,
        ALLOWED_HOSTS,
        TRUSTED_PROXIES,
    ),
)

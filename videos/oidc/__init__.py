"""OpenID Connect: discovery, the authorization code flow with PKCE, and the checks of ID tokens.

Authlib and joserfc implement the protocol; this package adds deadlines, limits and messages. It knows no members.
"""

from .client import Identity, Provider
from .errors import Problem, SignInError
from .metadata import Metadata, fetch_keys, fetch_metadata

__all__ = ["Identity", "Metadata", "Problem", "Provider", "SignInError", "fetch_keys", "fetch_metadata"]

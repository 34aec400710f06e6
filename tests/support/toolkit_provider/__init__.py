"""An OpenID provider by other authors, Django OAuth Toolkit, in a separate process.

It has its own implementation of the protocol (oauthlib and jwcrypto), and checks redirect URI, client secret, PKCE and
codes.
"""

"""Find the cookies of an installation whose signing key, and so whose cookie names, the test does not know."""

import httpx


def cookie_named(http: httpx.Client, kind: str) -> tuple[str, str]:
    """Return name and value of the one `session` or `csrf` cookie that this client holds."""
    [found] = [(one.name, one.value or "") for one in http.cookies.jar if f"lumaweb_{kind}_" in one.name]
    return found

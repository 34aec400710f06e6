"""Identifiers as the provider makes them."""

import uuid


def new_id() -> str:
    return str(uuid.uuid4())


def stable_id(kind: str, name: str) -> str:
    """Return an id that is the same in every answer and after every restart."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}/{name}"))

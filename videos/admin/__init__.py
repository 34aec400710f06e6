"""The Django admin, for what has no page of its own."""

from . import api_token, collection, event, generation, share, site

__all__ = ["api_token", "collection", "event", "generation", "share", "site"]

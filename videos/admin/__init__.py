"""The Django admin, for models without a page in the studio."""

from . import api_token, collection, event, generation, share, site

__all__ = ["api_token", "collection", "event", "generation", "share", "site"]

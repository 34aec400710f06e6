"""Read the audit log."""


def trail(token) -> list[str]:
    """Return the audit entries of a token without its name, with which each begins."""
    texts = token.changes.order_by("pk").values_list("text", flat=True)
    return [text.removeprefix(f"API token “{token.name}”: ") for text in texts]

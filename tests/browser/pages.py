"""The pages that share one frame: all but the studio, a video and a comparison."""


def framed_paths(video: str) -> tuple[str, ...]:
    """Return the addresses of the pages with this frame; `video`: the UUID of a finished video."""
    return (
        *("/team/", "/team/1/", "/team/budget/", "/team/changes/", "/team/shares/", "/usage/", "/profile/"),
        *("/provider/", "/provider/missing/", "/provider/account/", "/settings/health/", "/settings/storage/"),
        *("/settings/storage/rejected/", "/settings/sign-in/", "/settings/mail/", "/collections/", "/trash/"),
        *("/prompts/", "/clips/?side=end", f"/generations/{video}/shares/", "/nowhere/"),
    )

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFiles(CompressedManifestStaticFilesStorage):
    """Add hashes to file names, also in imports of our scripts, so that browsers can cache the files forever."""

    # Not in scripts of packages: some mention modules that they do not include.
    patterns = (
        *CompressedManifestStaticFilesStorage.patterns,
        ("js/*.js", CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns[1]),  # noqa: SLF001  Django has no public name for it
    )

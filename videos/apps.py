from django.apps import AppConfig
from django.db.models.signals import post_migrate


class VideosConfig(AppConfig):
    name = "videos"
    verbose_name = "Lumaweb"

    def ready(self) -> None:
        # Models cannot be imported before the app registry is ready.
        from . import checks  # noqa: F401  (registers the checks)
        from .models.search import create_search_triggers

        post_migrate.connect(create_search_triggers, sender=self)

from django.apps import AppConfig


class VideosConfig(AppConfig):
    name = "videos"
    verbose_name = "Lumaweb"

    def ready(self) -> None:
        from . import checks  # noqa: F401  (registers them)

from django.apps import AppConfig
from django.conf import settings

from lumaweb.permissions import create_folder


class OpsConfig(AppConfig):
    name = "lumaweb.ops"

    def ready(self) -> None:
        """Create the folders that every process of this installation needs."""
        create_folder(settings.DATA_DIR)
        create_folder(settings.FILE_UPLOAD_TEMP_DIR)

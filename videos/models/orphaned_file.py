from django.db import models
from django.db.models.fields.files import FieldFile


class OrphanedFileQuerySet(models.QuerySet):
    def mark(self, *files: FieldFile) -> None:
        """Record stored files for removal, in the same transaction that clears their names from the rows."""
        self.bulk_create([self.model(file=file.name) for file in files if file])


class OrphanedFile(models.Model):
    """A stored file that no row names any longer and that the sweep has yet to delete.

    The row survives a crash, so no file stays in the storage forever. File names carry random ids and are never
    reused, so deleting one cannot hit a newer file.
    """

    file = models.FileField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = OrphanedFileQuerySet.as_manager()

    class Meta:
        db_table = "videos_leftover"

    def __str__(self) -> str:
        return self.file.name or ""

    def remove(self) -> None:
        """Delete the file, then this row. Raises OSError and keeps the row if the storage fails."""
        self.file.delete(save=False)
        type(self).objects.filter(pk=self.pk).delete()

from django.db import models


class LeftoverQuerySet(models.QuerySet):
    def mark(self, *files) -> None:
        """Note stored files as no longer needed, in the transaction that takes their names off the rows."""
        self.bulk_create([self.model(file=file.name) for file in files if file])


class Leftover(models.Model):
    """A stored file that no row names any more, until it is removed: a crash in between leaves no file for ever.

    Names in our storage are never used twice (they carry random ids), so none of these can be a newer file's.
    """

    file = models.FileField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = LeftoverQuerySet.as_manager()

    def __str__(self) -> str:
        return self.file.name

    def remove(self) -> None:
        """Delete the file, then the note of it. Raises OSError; then it stays noted."""
        self.file.delete(save=False)
        type(self).objects.filter(pk=self.pk).delete()

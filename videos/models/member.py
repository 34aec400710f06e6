from django.contrib.auth.models import AbstractUser

HUES = 8


class Member(AbstractUser):
    """Somebody of the team. An admin is a superuser; a plain member is not staff."""

    @property
    def initials(self) -> str:
        words = (self.get_full_name() or self.username).replace(".", " ").replace("_", " ").split()
        letters = "".join(word[0] for word in words[:2]) if len(words) > 1 else (words or ["?"])[0][:2]
        return letters.upper()

    @property
    def hue(self) -> int:
        """The avatar's colour, 0 to 7."""
        return (self.pk or 0) % HUES

"""Pictures that come with the form."""

from .. import frames
from ..forms import GenerationForm
from ..media.decoding.errors import Busy


def store_pictures(form: GenerationForm) -> None:
    """Store the valid pictures of a form, even an invalid one, so that nobody has to choose them again."""
    for side, picture in form.pictures.items():
        try:
            form.frames[side] = frames.store(picture, form.member)
        except (frames.FrameError, Busy) as error:
            form.add_error(f"{side}_image", str(error))
        except OSError:
            form.add_error(f"{side}_image", frames.NOT_STORED)

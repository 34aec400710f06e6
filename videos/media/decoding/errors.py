"""Exceptions of decoding, for the product and for the decoding process."""


class NotAPicture(Exception):
    """The file cannot be used as a frame; the message is a sentence for the member."""


class NotAVideo(Exception):
    """The file cannot be played as an MP4 video; the message says why, in a sentence."""


class Incomplete(NotAVideo):
    """The file is a video, but a part of it is missing."""


class Busy(Exception):
    """Other files are being decoded, and none of them ended in time; the message is a sentence for the member."""


class DecoderFailed(RuntimeError):
    """The decoding process failed for a reason other than its file; the message has what it printed."""

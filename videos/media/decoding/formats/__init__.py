"""Read picture files without decoding them: their size, and what a decoder and the colours need of their metadata.

One module per container. A decoder gets no metadata of a JPEG or a PNG: odd text, profiles or EXIF data must not make a
picture unreadable that every browser shows.
"""

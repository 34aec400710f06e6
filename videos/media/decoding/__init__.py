"""Decode untrusted files in a separate process with limits.

`client` runs in the product and starts that process, whose main module is `pictures`, `heif_pictures` or `video`. Only
that process imports Pillow, libheif and FFmpeg, and only `client` imports Django.
"""

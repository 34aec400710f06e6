"""Decode untrusted files in a separate process with limits.

`client` runs in the product and starts that process; `pictures` and `video` are the process. Only there are Pillow and
FFmpeg imported, and only `client` imports Django.
"""

"""Decode files that somebody else made in a process of its own, which has limits and may die.

`client` runs in the product and starts that process; `pictures` and `video` are the process. Only there are Pillow and
FFmpeg imported, and only `client` imports Django.
"""

"""Draws the scenes that the sandbox films: skies, landscapes, moving layers and captions."""

"""The widths of windows at which pages are checked."""

WIDTHS = (360, 390, 768, 1024, 1440, 1920, 2560)

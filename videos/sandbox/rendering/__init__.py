"""Renders videos in worker processes and writes them as MP4 files."""

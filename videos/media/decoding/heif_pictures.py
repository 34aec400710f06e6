"""Decode HEIC pictures, in a separate process: `python -m videos.media.decoding.heif_pictures`.

Apart from the other pictures, because libheif takes 25 MB and 15 ms in each process that imports it.
"""

from pillow_heif import register_heif_opener

from . import pictures, process

# One thread needs less memory. The further pictures of a file are not used.
register_heif_opener(decode_threads=1, thumbnails=False, depth_images=False, aux_images=False)

if __name__ == "__main__":
    process.run(pictures.OPERATIONS)

"""The decoding process: `python -m videos.media.decoding.pictures OPERATION PARAMETERS` with a file as standard input.

It prints one line of JSON and, after it, the bytes of the pictures that it made; it writes no files.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from . import limits
from .errors import NotAPicture, NotAVideo

# Takes the file and the parameters; returns facts for the JSON, and encoded pictures.
Operation = Callable[..., tuple[dict[str, Any], list[bytes]]]


def run(operations: Mapping[str, Operation]) -> None:
    """Set the limits, then run the operation named on the command line with standard input as its file."""
    name, parameters = sys.argv[1], json.loads(sys.argv[2])
    limits.apply(**parameters.pop("limits"))
    with open(0, "rb", closefd=False) as file:
        file.seek(0)  # the parent shares the position
        try:
            facts, pictures = operations[name](file, **parameters)
        except MemoryError:
            # At once: a regular exit may need memory too.
            os._exit(limits.OUT_OF_MEMORY)
        except (NotAPicture, NotAVideo) as refusal:
            facts, pictures = {"refusal": type(refusal).__name__, "message": str(refusal)}, []
    _print(facts, pictures, sys.stdout.buffer)


def _print(facts: dict[str, Any], pictures: list[bytes], out: BinaryIO) -> None:
    out.write(json.dumps(facts | {"pictures": [len(picture) for picture in pictures]}).encode() + b"\n")
    for picture in pictures:
        out.write(picture)
    out.flush()

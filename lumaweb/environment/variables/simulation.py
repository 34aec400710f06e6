"""The sandbox provider."""

from .. import values
from ..variable import Section, Variable

# videos/sandbox/options.py reads these too, as the sandbox imports nothing of Lumaweb. A test compares them.
SANDBOX_PORT = Variable(name="SANDBOX_PORT", parse=values.number(1, 65535), default="8801", meaning="port on 127.0.0.1")
SANDBOX_SECONDS = Variable(
    name="SANDBOX_SECONDS",
    parse=values.decimal(0, 86400),
    default="6",
    meaning="seconds from the acceptance of a request to its video",
)
SANDBOX_ACCEPT_SECONDS = Variable(
    name="SANDBOX_ACCEPT_SECONDS",
    parse=values.decimal(0, 86400),
    default="0",
    meaning="seconds until the answer to a request",
)
SANDBOX_SCALE = Variable(
    name="SANDBOX_SCALE",
    parse=values.decimal(0.02, 1),
    default="1",
    meaning="scale of the rendered pixels; its square also shortens the pauses between callbacks",
)
SANDBOX_FAULTS = Variable(
    name="SANDBOX_FAULTS",
    parse=values.chances,
    meaning="faults by chance: `lost=0.1,twice=0.05`",
    example="lost=0.1,twice=0.05",
)
SANDBOX_CONCURRENCY = Variable(
    name="SANDBOX_CONCURRENCY",
    parse=values.number(1, 1_000_000),
    default="256",
    meaning="unfinished tasks of one account before 429",
)
SANDBOX_EXTEND = Variable(
    name="SANDBOX_EXTEND",
    parse=values.choice("part", "whole"),
    default="part",
    meaning="an extension is the new `part`, or the `whole` video with its parent's frames",
)

SECTION = Section(
    "The sandbox",
    "docs/contributor/sandbox.md",
    (
        SANDBOX_PORT,
        SANDBOX_SECONDS,
        SANDBOX_ACCEPT_SECONDS,
        SANDBOX_SCALE,
        SANDBOX_FAULTS,
        SANDBOX_CONCURRENCY,
        SANDBOX_EXTEND,
    ),
)

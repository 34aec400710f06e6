"""Logs, metrics and diagnosis."""

from .. import values
from ..variable import Section, Variable

LOG_LEVEL = Variable(
    name="LUMAWEB_LOG_LEVEL",
    parse=values.choice("DEBUG", "INFO", "WARNING", "ERROR"),
    default="INFO",
    meaning="the least important messages that are logged: `DEBUG`, `INFO`, `WARNING` or `ERROR`",
)
LOG_FORMAT = Variable(
    name="LUMAWEB_LOG_FORMAT",
    parse=values.choice("line", "json"),
    default="line",
    meaning="`line`, or `json` for one object per line",
)
ACCESS_LOG = Variable(
    name="LUMAWEB_ACCESS_LOG", parse=values.flag, default="0", meaning="`1`: log every request", example="1"
)
METRICS_TOKEN = Variable(
    name="LUMAWEB_METRICS_TOKEN",
    parse=values.bearer_token,
    meaning="the bearer token for [`/metrics`](monitoring.md#metrics)",
    default_meaning="none: no metrics",
    is_secret=True,
)
TIME_ZONE = Variable(
    name="LUMAWEB_TIME_ZONE",
    parse=values.time_zone,
    default="UTC",
    meaning="the team's time zone; days and months of budgets follow it",
    example="Europe/Berlin",
)
DEBUG = Variable(
    name="LUMAWEB_DEBUG",
    parse=values.flag,
    default="0",
    meaning="`1` shows code, paths and rows to anyone who meets an error. Never use it on a machine that others reach",
)

SECTION = Section(
    "Logs and monitoring",
    "docs/operator/configuration.md",
    (
        LOG_LEVEL,
        LOG_FORMAT,
        ACCESS_LOG,
        METRICS_TOKEN,
        TIME_ZONE,
        DEBUG,
    ),
)

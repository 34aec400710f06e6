"""All variables, one module for each section of the documentation.

To add one: add it to its module and to SECTION there, read its `value` in `lumaweb/settings.py`, add it to
`deploy/lumaweb.env.example`, and run `python -m lumaweb.environment`, which writes `.env.example` and the tables of the
documentation. A rule about several variables belongs in `lumaweb/environment/rules.py`.
"""

from typing import Any

from ..variable import Variable
from . import addresses, data, first_start, mail, monitoring, object_storage, sign_in, simulation

SECTIONS = (
    addresses.SECTION,
    first_start.SECTION,
    data.SECTION,
    object_storage.SECTION,
    mail.SECTION,
    sign_in.SECTION,
    monitoring.SECTION,
    simulation.SECTION,
)
VARIABLES: dict[str, Variable[Any]] = {
    variable.name: variable for section in SECTIONS for variable in section.variables
}

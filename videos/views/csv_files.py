"""Downloads in CSV, which no spreadsheet runs as formulas."""

import csv
import io
from collections.abc import Iterable
from tempfile import TemporaryFile
from typing import BinaryIO

from django.http import FileResponse

Cell = str | int | float

# Spreadsheets run a cell that starts with one of these as a formula; some read the full-width forms as plain ones.
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def csv_response(rows: Iterable[list[Cell]], filename: str) -> FileResponse:
    """Return the rows as a download; the name is ASCII without quotes."""
    response = FileResponse(_csv_file(rows), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


def _csv_file(rows: Iterable[list[Cell]]) -> BinaryIO:
    """Write the rows to a temporary file, so that a slow client does not hold a thread."""
    text = io.TextIOWrapper(TemporaryFile(), encoding="utf-8", newline="")  # noqa: SIM115  the response closes it
    csv.writer(text).writerows([_escape_formula(cell) for cell in row] for row in rows)
    text.flush()
    text.seek(0)
    return text.detach()


def _escape_formula(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_PREFIXES) else cell

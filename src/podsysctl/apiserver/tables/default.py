"""The table of kinds that have none of their own: name and creation time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from podsysctl.apiserver.tables.base import NAME, Column, Object, Printer, meta, name

_CREATED = Column(
    "Created At",
    "date",
    description=(
        "CreationTimestamp is a timestamp representing the server time when this object was created. It is not "
        "guaranteed to be set in happens-before order across separate operations. Clients may not set this value. "
        "It is represented in RFC3339 form and is in UTC."
    ),
)


def _cells(obj: Object, now: datetime) -> list[Any]:
    return [name(obj), meta(obj).get("creationTimestamp")]


PRINTER = Printer((NAME, _CREATED), _cells)

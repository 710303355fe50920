"""The table of kinds that have none of their own: name and creation time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from podsysctl.apiserver.tables.base import NAME, Column, Object, Printer, meta, name

_CREATED = Column("Created At", "date", description="When the server made the object.")


def _cells(obj: Object, now: datetime) -> list[Any]:
    return [name(obj), meta(obj).get("creationTimestamp")]


PRINTER = Printer((NAME, _CREATED), _cells)

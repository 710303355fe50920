"""Which printer shows which resource."""

from __future__ import annotations

from podsysctl.apiserver.resource import Resource
from podsysctl.apiserver.tables import default
from podsysctl.apiserver.tables.base import Printer

_PRINTERS: dict[str, Printer] = {}


def printer_of(resource: Resource) -> Printer:
    """The printer of a resource, built-in or custom."""
    return _PRINTERS.get(resource.type_key, default.PRINTER)

"""What a table printer is: columns, and one row per object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from podsysctl.base.clock import parse_time
from podsysctl.base.errors import UsageError
from podsysctl.objects import duration, selectors

Object = Mapping[str, Any]
NONE = "<none>"
UNKNOWN = "<unknown>"

@dataclass(frozen=True, slots=True)
class Column:
    """One column; `priority` above 0 shows only with `-o wide`."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The `meta.k8s.io/v1` TableColumnDefinition."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


NAME = Column("Name", format="name", description="Name of the object, unique among its kind in a namespace.")
AGE = Column("Age", description="Time since the object was created.")


def _no_conditions(obj: Object) -> list[dict[str, Any]]:
    return []


@dataclass(frozen=True, slots=True)
class Printer:
    """The table of one kind: `cells(object, now)` gives one value per column."""

    columns: tuple[Column, ...]
    cells: Callable[[Object, datetime], list[Any]]
    conditions: Callable[[Object], list[dict[str, Any]]] = _no_conditions


def age(timestamp: Any, now: datetime) -> str:
    """How long ago a time was, as kubectl writes it; `<unknown>` when there is none."""
    if not isinstance(timestamp, str) or not timestamp:
        return UNKNOWN
    try:
        moment = parse_time(timestamp)
    except ValueError:
        return "<invalid>"
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return duration.human_duration((now - moment).total_seconds())


def created(obj: Object, now: datetime) -> str:
    """The Age cell."""
    return age(meta(obj).get("creationTimestamp"), now)


def meta(obj: Object) -> Mapping[str, Any]:
    """The object's metadata, empty when malformed."""
    value = obj.get("metadata")
    return value if isinstance(value, Mapping) else {}


def section(obj: Object, *path: str) -> Mapping[str, Any]:
    """A nested map, empty when absent."""
    value: Any = obj
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def name(obj: Object) -> str:
    """The Name cell."""
    return str(meta(obj).get("name", ""))


def whole(value: Any) -> int:
    """A number that may be absent."""
    return value if isinstance(value, int) else 0


def wide(*names: str) -> tuple[Column, ...]:
    """Columns that show only with `-o wide`."""
    return tuple(Column(name, priority=1) for name in names)


def container_cells(spec: Object) -> list[str]:
    """Names and images of a pod spec's containers."""
    containers = spec.get("containers") or ()
    return [",".join(str(c.get(key, "")) for c in containers) for key in ("name", "image")]


def label_text(labels: Object | None) -> str:
    """A map of labels as text, `<none>` when empty."""
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels)) if labels else NONE


def selector_text(selector: Object | None) -> str:
    """A LabelSelector as text, `<none>` when it selects everything."""
    try:
        return str(selectors.from_object(selector)) or NONE
    except UsageError:
        return "<error>"

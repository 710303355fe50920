"""One assignment of a sysctl, wherever it is written: in a pod, a Tuned profile, a compose file, sysctl.d."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from podsysctl.policy.lint.document import Document, Path
from podsysctl.policy.lint.finding import Position


class Place(StrEnum):
    """Where an assignment takes effect."""

    POD = "pod"
    """In the namespaces of a pod."""
    CONTAINER = "container"
    """In the namespaces of one container: compose and quadlet."""
    NODE = "node"
    """On the host: Tuned, sysctl.d."""
    INTERFACE = "interface"
    """On an additional interface of a pod: the tuning plugin."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One assignment.

    `name` and `value` are as written; `value` may be of any type in YAML. `position` and `value_position` say where.
    `host_network`, `host_ipc` and `host_users` tell which namespaces of the host are shared. `document` and `path` (to
    the entry) are set when it stands in a structured document.
    """

    place: Place
    name: str
    value: Any
    file: str
    position: Position
    value_position: Position
    host_network: bool = False
    host_ipc: bool = False
    host_users: bool = True
    owner: str = ""
    document: Document | None = None
    path: Path = ()

    @property
    def text(self) -> str:
        """The value as text; what a number or boolean would be written as."""
        if isinstance(self.value, bool):
            return str(int(self.value))
        return "" if self.value is None else str(self.value)

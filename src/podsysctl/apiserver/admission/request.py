"""What an admission plugin sees of a write, and what it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from podsysctl.apiserver.auth.user import UserInfo
from podsysctl.apiserver.resource import Resource
from podsysctl.base.errors import StatusError
from podsysctl.objects import status
from podsysctl.objects.kinds import Kind

if TYPE_CHECKING:
    from podsysctl.apiserver.context import ServerContext

CREATE, UPDATE, DELETE, CONNECT = "CREATE", "UPDATE", "DELETE", "CONNECT"

Object = dict[str, Any]


def _silent(text: str) -> None:
    return None


@dataclass(slots=True, eq=False)
class AdmissionRequest:
    """One write. `object` is None for DELETE, `old_object` for CREATE; plugins change `object` in place.

    For a subresource with a body of its own, `object` is that body (an Eviction, a Binding).
    """

    server: ServerContext
    operation: str
    resource: Resource
    namespace: str
    name: str
    user: UserInfo
    object: Object | None
    old_object: Object | None = None
    subresource: str = ""
    dry_run: bool = False
    warn: Callable[[str], None] = _silent
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """The kind of the resource."""
        return self.resource.kind

    def is_for(self, group: str, plural: str, subresource: str = "") -> bool:
        """Whether this write is to a resource."""
        kind = self.resource.kind
        return kind.group == group and kind.plural == plural and self.subresource == subresource

    def audit(self, key: str, value: str) -> None:
        """Note something for the audit log."""
        self.annotations[key] = value

    def find(self, group: str, plural: str, namespace: str, name: str) -> Object | None:
        """A stored object, as a fresh copy."""
        resource = self.server.registry.get(group, plural)
        item = self.server.store.get(resource.bucket, resource.key(namespace, name))
        return None if item is None else orjson.loads(item.data)

    def list(self, group: str, plural: str, namespace: str = "", *, holding: bytes = b"") -> list[Object]:
        """Stored objects, as fresh copies; `holding` spares reading those whose JSON does not have these bytes."""
        resource = self.server.registry.get(group, plural)
        items = self.server.store.range(resource.bucket, resource.prefix(namespace))
        return [orjson.loads(item.data) for item in items if holding in item.data]

    def forbidden(self, text: str) -> StatusError:
        """The 403 of a plugin: names the object as upstream does."""
        name = self.name
        if not name:
            metadata = (self.object or {}).get("metadata") or {}
            name = metadata.get("name") or metadata.get("generateName") or "Unknown"
        return status.forbidden(self.resource.kind, name, text)


class Plugin(Protocol):
    """One admission plugin; both methods see every write and skip what is not theirs."""

    name: str

    async def mutate(self, request: AdmissionRequest) -> None:
        """Change the object before it is checked. Raises StatusError to refuse."""
        ...

    async def validate(self, request: AdmissionRequest) -> None:
        """Judge the finished object. Raises StatusError to refuse."""
        ...

"""One served resource: its kind, its schema, and how it differs between the wire and the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from podsysctl.apiserver import selectable
from podsysctl.apiserver.kindrules import KindRules, rules_of
from podsysctl.apiserver.tables.base import Printer
from podsysctl.objects import eventshape
from podsysctl.objects import schema as schemas
from podsysctl.objects.kinds import Kind
from podsysctl.objects.schema import Schema

Object = dict[str, Any]
FieldReader = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """What the handlers need to know of a kind.

    `selectable` maps a field label to its reader on the stored form; metadata.name and metadata.namespace hold
    for all kinds and are not in it. `from_storage` and `to_storage` convert between the two forms, None where
    they are one. `printer` and `definition` (the CustomResourceDefinition) are set for custom kinds only.
    """

    kind: Kind
    schema: Schema
    rules: KindRules
    bucket: str
    selectable: Mapping[str, FieldReader] = field(default_factory=dict)
    from_storage: Callable[[Object], Object] | None = None
    to_storage: Callable[[Object], Object] | None = None
    definition: Mapping[str, Any] | None = None
    printer: Printer | None = None

    @property
    def type_key(self) -> str:
        """`group/plural`, by which per-kind tables are looked up."""
        return f"{self.kind.group}/{self.kind.plural}"

    def key(self, namespace: str, name: str) -> str:
        """Where an object is filed in the bucket."""
        return f"{namespace}/{name}" if self.kind.namespaced else name

    def prefix(self, namespace: str) -> str:
        """What the keys of a namespace begin with; no namespace means all."""
        return f"{namespace}/" if namespace and self.kind.namespaced else ""

    def field_labels(self) -> tuple[str, ...]:
        """Field labels that selectors may name."""
        own = ("metadata.name", "metadata.namespace") if self.kind.namespaced else ("metadata.name",)
        return (*own, *self.selectable)


def builtin_resource(kind: Kind) -> Resource:
    """The resource of a kind of `kinds.toml`."""
    shared = bool(kind.storage_type)
    return Resource(
        kind=kind,
        schema=schemas.builtin(kind.type_name),
        rules=rules_of(kind),
        bucket=kind.storage_key,
        selectable=selectable.readers(f"{kind.group}/{kind.plural}"),
        from_storage=eventshape.to_events_v1 if shared else None,
        to_storage=eventshape.to_core if shared else None,
    )

"""How stored objects become what the client asked for: themselves, table rows, or their metadata alone."""

from __future__ import annotations

from typing import Any

import orjson

from podsysctl.apiserver.context import Call
from podsysctl.apiserver.negotiate import PARTIAL, PARTIAL_LIST, TABLE, Output
from podsysctl.apiserver.resource import Resource
from podsysctl.apiserver.storeindex import Item
from podsysctl.apiserver.tables import registry as tables

Object = dict[str, Any]


def load(resource: Resource, item: Item) -> Object:
    """The object of a stored version in the shape and version of the resource."""
    obj: Object = orjson.loads(item.data)
    return resource.from_storage(obj) if resource.from_storage else obj


class Shaper:
    """Encodes objects of one resource for one request."""

    def __init__(self, call: Call, output: Output) -> None:
        self.resource = call.resource
        self.output = output
        self._now = call.server.clock.now()
        self._raw = output.shape == "" and call.resource.from_storage is None
        self._meta_version = f"meta.k8s.io/{output.shape_version}"
        self._include = call.query.get("includeObject", "Metadata")
        self._printer = tables.printer_of(call.resource) if output.shape == TABLE else None

    def item(self, item: Item) -> bytes:
        """One element of a list: the object, its row or its metadata, as JSON."""
        if self._raw:
            return item.data
        return self.element(load(self.resource, item))

    def element(self, obj: Object) -> bytes:
        """The same from a decoded object."""
        if self._printer is not None:
            return orjson.dumps(self._row(obj))
        if self.output.shape:
            return orjson.dumps(self._partial(obj))
        return orjson.dumps(obj)

    def single(self, obj: Object) -> Object:
        """An object as the answer to a request for one."""
        if self._printer is not None:
            version = (obj.get("metadata") or {}).get("resourceVersion", "")
            return self.table([self._row(obj)], {"resourceVersion": version})
        return self._partial(obj) if self.output.shape else obj

    def table(self, rows: list[Object], metadata: Object, *, columns: bool = True) -> Object:
        """A Table; its columns are left out in all but the first event of a watch."""
        return {
            "kind": "Table",
            "apiVersion": self._meta_version,
            "metadata": metadata,
            "columnDefinitions": self._columns() if columns else None,
            "rows": rows,
        }

    def list_head(self, metadata: Object) -> bytes:
        """The JSON of a list up to its first element."""
        if self._printer is not None:
            head = {"kind": "Table", "apiVersion": self._meta_version, "metadata": metadata}
            return orjson.dumps({**head, "columnDefinitions": self._columns()})[:-1] + b',"rows":['
        if self.output.shape:
            kind, version = PARTIAL_LIST, self._meta_version
        else:
            kind, version = self.resource.kind.list_kind, self.resource.kind.api_version
        return orjson.dumps({"kind": kind, "apiVersion": version, "metadata": metadata})[:-1] + b',"items":['

    def event(self, event_type: str, item: Item, *, first: bool) -> bytes:
        """One line of a watch."""
        if self._raw:
            data = item.data
        elif self._printer is not None:
            obj = load(self.resource, item)
            metadata = {"resourceVersion": str(item.rev)}
            data = orjson.dumps(self.table([self._row(obj)], metadata, columns=first))
        else:
            data = self.element(load(self.resource, item))
        return b'{"type":"%b","object":%b}\n' % (event_type.encode(), data)

    def bookmark(self, revision: int, *, initial_end: bool = False) -> bytes:
        """A line that tells how far the watch has come."""
        metadata: Object = {"resourceVersion": str(revision), "creationTimestamp": None}
        if initial_end:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        kind, version = self.resource.kind.kind, self.resource.kind.api_version
        if self.output.shape in (PARTIAL, PARTIAL_LIST):
            kind, version = PARTIAL, self._meta_version
        obj: Object = {"kind": kind, "apiVersion": version, "metadata": metadata}
        if self._printer is not None:
            obj = self.table([{"cells": [], "object": obj}], {"resourceVersion": str(revision)}, columns=False)
        return orjson.dumps({"type": "BOOKMARK", "object": obj}) + b"\n"

    def _columns(self) -> list[Object]:
        assert self._printer is not None
        return [column.to_dict() for column in self._printer.columns]

    def _row(self, obj: Object) -> Object:
        assert self._printer is not None
        row: Object = {"cells": self._printer.cells(obj, self._now)}
        conditions = self._printer.conditions(obj)
        if conditions:
            row["conditions"] = conditions
        if self._include == "Object":
            row["object"] = obj
        elif self._include != "None":
            row["object"] = self._partial(obj)
        return row

    def _partial(self, obj: Object) -> Object:
        return {"kind": PARTIAL, "apiVersion": self._meta_version, "metadata": obj.get("metadata") or {}}

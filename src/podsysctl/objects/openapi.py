"""OpenAPI v3 documents of the kinds that are served: what clients apply, validate and explain by.

One document for each group version, made from the same `Schema` nodes that decoding uses. Names of components are
upstream's, since clients show their last part as a type's name. Descriptions are ours, from `descriptions.toml`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

from podsysctl.objects.kinds import Kind
from podsysctl.objects.schema import ANY, LIST, MAP, OBJECT, Field, Schema, builtin

Document = dict[str, Any]

_PACKAGES = {
    "meta/v1": "io.k8s.apimachinery.pkg.apis.meta.v1",
    "apiextensions/v1": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1",
}
_META = _PACKAGES["meta/v1"]
_SPECIAL: Mapping[str, tuple[str, Document]] = {
    "Time": (f"{_META}.Time", {"type": "string", "format": "date-time"}),
    "MicroTime": (f"{_META}.MicroTime", {"type": "string", "format": "date-time"}),
    "Duration": (f"{_META}.Duration", {"type": "string"}),
    "FieldsV1": (f"{_META}.FieldsV1", {"type": "object"}),
    "Quantity": (
        "io.k8s.apimachinery.pkg.api.resource.Quantity",
        {"oneOf": [{"type": "string"}, {"type": "number"}]},
    ),
    "IntOrString": (
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
        {"oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"},
    ),
    "RawExtension": ("io.k8s.apimachinery.pkg.runtime.RawExtension", {"type": "object"}),
}
_PLAIN: Mapping[str, Document] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "double": {"type": "number", "format": "double"},
    "bytes": {"type": "string", "format": "byte"},
}
_WRITE_TYPES = (
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
)
_PATCH_TYPES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
_STRATEGIC = "application/strategic-merge-patch+json"


def document(listed: Iterable[tuple[Kind, Schema | None]]) -> Document:
    """The document of one group version: `listed` are its kinds, with the tree of each (None: anything)."""
    components = _Components()
    paths: Document = {}
    for kind, schema in listed:
        name = components.kind(kind, schema)
        paths.update(_paths(kind, name))
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": paths,
        "components": {"schemas": components.schemas},
    }


class _Components:
    """The named schemas of a document; a type that is referred to is added once."""

    def __init__(self) -> None:
        self.schemas: dict[str, Document] = {}

    def kind(self, kind: Kind, schema: Schema | None) -> str:
        """Add a kind and its list; the component's name."""
        gvk = {"group": kind.group, "version": kind.version, "kind": kind.kind}
        name = component_name(kind.type_name) if kind.type_name else _custom_name(kind)
        if kind.type_name:
            self._named(builtin(kind.type_name))
        else:
            self.schemas[name] = self._custom(schema)
        body = self.schemas[name]
        body["x-kubernetes-group-version-kind"] = [gvk]
        body["properties"] = {**_type_meta(), **body.get("properties", {})}
        self._list(kind, name)
        return name

    def _list(self, kind: Kind, item: str) -> None:
        self.schemas[f"{item}List"] = {
            "type": "object",
            "description": f"A list of {kind.kind} objects.",
            "required": ["items"],
            "properties": {
                **_type_meta(),
                "metadata": self._reference(builtin("meta/v1.ListMeta"), ""),
                "items": {"type": "array", "items": _ref(item)},
            },
            "x-kubernetes-group-version-kind": [{"group": kind.group, "version": kind.version, "kind": kind.list_kind}],
        }

    def _custom(self, schema: Schema | None) -> Document:
        declared = schema.raw if schema is not None else None
        raw: Document = dict(declared) if declared is not None else {"type": "object"}
        properties: Document = dict(raw.get("properties") or {})
        for key in ("apiVersion", "kind"):
            properties.pop(key, None)
        properties["metadata"] = self._reference(builtin("meta/v1.ObjectMeta"), description("", "metadata"))
        return {**raw, "type": "object", "properties": properties}

    def _named(self, schema: Schema) -> str:
        """Add a built-in type and everything below it; its component's name."""
        name = component_name(schema.type_name)
        if name in self.schemas:
            return name
        body: Document = {"type": "object"}
        self.schemas[name] = body  # before its fields, since types recur
        text = description(schema.type_name, "")
        if text:
            body["description"] = text
        required = sorted(f.name for f in schema.fields.values() if f.required)
        if required:
            body["required"] = required
        body["properties"] = {
            f.name: self._field(schema.type_name, f) for f in sorted(schema.fields.values(), key=lambda f: f.name)
        }
        if schema.map_atomic:
            body["x-kubernetes-map-type"] = "atomic"
        return name

    def _field(self, type_name: str, field: Field) -> Document:
        body = self._node(field.schema, description(type_name, field.name))
        if field.default is not None:
            body["default"] = field.default
        if field.merge:
            body["x-kubernetes-patch-strategy"] = "merge,retainKeys" if field.retain_keys else "merge"
            if field.merge_key:
                body["x-kubernetes-patch-merge-key"] = field.merge_key
        elif field.retain_keys:
            body["x-kubernetes-patch-strategy"] = "retainKeys"
        return body

    def _node(self, schema: Schema, text: str) -> Document:
        if schema.kind == OBJECT:
            return self._reference(schema, text)
        if schema.type_name in _SPECIAL:
            name, body = _SPECIAL[schema.type_name]
            self.schemas.setdefault(name, dict(body))
            return _described({"allOf": [_ref(name)]} if text else _ref(name), text)
        if schema.kind == LIST and schema.item is not None:
            out: Document = {"type": "array", "items": self._node(schema.item, "")}
            out["x-kubernetes-list-type"] = schema.list_type
            if schema.list_keys:
                out["x-kubernetes-list-map-keys"] = list(schema.list_keys)
            return _described(out, text)
        if schema.kind == MAP and schema.item is not None:
            out = {"type": "object", "additionalProperties": self._node(schema.item, "")}
            if schema.map_atomic:
                out["x-kubernetes-map-type"] = "atomic"
            return _described(out, text)
        if schema.kind == ANY:
            return _described({"x-kubernetes-preserve-unknown-fields": True}, text)
        return _described(dict(_PLAIN[schema.kind]), text)

    def _reference(self, schema: Schema, text: str) -> Document:
        """A reference to a named type; a description stands beside it, so the reference goes into an allOf."""
        name = self._named(schema)
        return _described({"allOf": [_ref(name)]}, text) if text else _ref(name)


def component_name(type_name: str) -> str:
    """The component of a built-in type.

    >>> component_name("core/v1.Pod"), component_name("meta/v1.ObjectMeta")
    ('io.k8s.api.core.v1.Pod', 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta')
    """
    package, _, short = type_name.rpartition(".")
    return f"{_PACKAGES.get(package) or 'io.k8s.api.' + package.replace('/', '.')}.{short}"


def description(type_name: str, field: str) -> str:
    """What we say of a type ('' as the field) or of one of its fields; '' when nothing is written."""
    text = _descriptions().get(type_name, {}).get(field or "_")
    if text is None and field in ("metadata", "kind", "apiVersion"):
        text = _descriptions()["*"].get(field)
    return text or ""


@lru_cache(maxsize=1)
def _descriptions() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads(resources.files(__package__).joinpath("descriptions.toml").read_text())


def _custom_name(kind: Kind) -> str:
    return ".".join([*reversed(kind.group.split(".")), kind.version, kind.kind])


def _type_meta() -> Document:
    return {key: {"type": "string", "description": description("", key)} for key in ("apiVersion", "kind")}


def _described(body: Document, text: str) -> Document:
    if text:
        body["description"] = text
    return body


def _ref(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def _paths(kind: Kind, component: str) -> Iterator[tuple[str, Document]]:
    """The collection's and the object's path, with the operations that the kind has."""
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    gvk = {"group": kind.group, "version": kind.version, "kind": kind.kind}

    def operation(action: str, media: tuple[str, ...], body: str, answer: str) -> Document:
        out: Document = {
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": gvk,
            "parameters": [_query(name) for name in _QUERIES[action]],
            "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": _ref(answer)}}}},
        }
        if media:
            out["requestBody"] = {"content": {name: {"schema": _ref(body)} for name in media}, "required": True}
        return out

    many, one = f"{root}/{kind.plural}", f"{root}/{kind.plural}/{{name}}"
    if kind.namespaced:
        many, one = (
            f"{root}/namespaces/{{namespace}}/{kind.plural}",
            f"{root}/namespaces/{{namespace}}/{kind.plural}/{{name}}",
        )
    collection: Document = {"parameters": _path_parameters(many)}
    single: Document = {"parameters": _path_parameters(one)}
    if "list" in kind.verbs:
        collection["get"] = operation("list", (), "", f"{component}List")
    if "create" in kind.verbs:
        collection["post"] = operation("post", _WRITE_TYPES, component, component)
    if "get" in kind.verbs:
        single["get"] = operation("get", (), "", component)
    if "update" in kind.verbs:
        single["put"] = operation("put", _WRITE_TYPES, component, component)
    if "patch" in kind.verbs:
        patches = _PATCH_TYPES if kind.type_name else tuple(t for t in _PATCH_TYPES if t != _STRATEGIC)
        single["patch"] = operation("patch", patches, component, component)
    if "delete" in kind.verbs:
        single["delete"] = operation("delete", (), "", component)
    yield many, collection
    if len(single) > 1:
        yield one, single


_QUERIES = {
    "list": ("labelSelector", "fieldSelector", "limit", "continue", "resourceVersion", "watch"),
    "get": ("pretty",),
    "post": ("dryRun", "fieldManager", "fieldValidation"),
    "put": ("dryRun", "fieldManager", "fieldValidation"),
    "patch": ("dryRun", "fieldManager", "fieldValidation", "force"),
    "delete": ("dryRun", "gracePeriodSeconds", "propagationPolicy"),
}


def _query(name: str) -> Document:
    kind = {"limit": "integer", "gracePeriodSeconds": "integer", "force": "boolean", "watch": "boolean"}
    return {"name": name, "in": "query", "schema": {"type": kind.get(name, "string"), "uniqueItems": True}}


def _path_parameters(path: str) -> list[Document]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "uniqueItems": True}}
        for name in ("namespace", "name")
        if f"{{{name}}}" in path
    ]

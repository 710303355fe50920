"""The registry's side of definitions: every established one is served, from the moment it is durable."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import orjson

from podsysctl.apiserver import kindrules
from podsysctl.apiserver.definitions import names
from podsysctl.apiserver.registry import Registry
from podsysctl.apiserver.resource import Resource
from podsysctl.apiserver.selectable import path_reader
from podsysctl.apiserver.store import Store
from podsysctl.apiserver.storeindex import Change, ChangeType
from podsysctl.apiserver.tables import custom
from podsysctl.base.errors import PodsysctlError
from podsysctl.objects import kinds, structural

BUCKET = "customresourcedefinitions.apiextensions.k8s.io"
Object = dict[str, Any]

_log = logging.getLogger("podsysctl.apiserver")


class Definitions:
    """Keeps a registry in step with the stored definitions."""

    def __init__(self, registry: Registry, store: Store) -> None:
        self._registry = registry
        self._store = store
        self._served: dict[str, list[Resource]] = {}

    def start(self) -> None:
        """Serve what is stored and follow the changes."""
        for item in self._store.range(BUCKET):
            self._serve(item.key, orjson.loads(item.data))
        self._store.observe(self._changed)

    def all(self) -> list[Object]:
        """Every stored definition."""
        return [orjson.loads(item.data) for item in self._store.range(BUCKET)]

    def _changed(self, change: Change) -> None:
        if change.resource != BUCKET:
            return
        if change.type is ChangeType.DELETED:
            self._registry.replace(self._served.pop(change.item.key, ()), ())
        else:
            self._serve(change.item.key, orjson.loads(change.item.data))

    def _serve(self, name: str, definition: Object) -> None:
        try:
            new = resources_of(definition) if names.condition(definition, "Established") else []
        except PodsysctlError as error:
            _log.error("CustomResourceDefinition %s is not served: %s", name, error.message)
            new = []
        self._registry.replace(self._served.get(name, ()), new)
        self._served[name] = new


def resources_of(definition: Mapping[str, Any]) -> list[Resource]:
    """One resource per served version."""
    return [_resource(definition, version) for version in definition["spec"]["versions"] if version.get("served")]


def stored_resource(definition: Mapping[str, Any]) -> Resource:
    """The resource of the version in which instances are stored, whether it is served or not."""
    stored = names.storage_version(definition)
    return _resource(definition, next(v for v in definition["spec"]["versions"] if v["name"] == stored))


def _resource(definition: Mapping[str, Any], version: Mapping[str, Any]) -> Resource:
    kind = kinds.from_crd(definition, version["name"])
    several = len(definition["spec"]["versions"]) > 1
    storage_api_version = f"{kind.group}/{names.storage_version(definition)}"
    return Resource(
        kind=kind,
        schema=structural.build((version.get("schema") or {}).get("openAPIV3Schema")),
        rules=kindrules.CUSTOM,
        bucket=kind.qualified,
        selectable={
            field["jsonPath"].lstrip("."): path_reader(field["jsonPath"].lstrip("."))
            for field in version.get("selectableFields") or ()
        },
        from_storage=_versioned(kind.api_version) if several else None,
        to_storage=_versioned(storage_api_version) if several else None,
        definition=definition,
        printer=custom.printer(version.get("additionalPrinterColumns")),
    )


def _versioned(api_version: str) -> Any:
    """Conversion None: only `apiVersion` changes."""

    def convert(obj: Object) -> Object:
        return {**obj, "apiVersion": api_version}

    return convert

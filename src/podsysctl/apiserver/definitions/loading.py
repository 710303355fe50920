"""Definitions from files, created or updated at every start, and small look-ups over the store."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson

from podsysctl.apiserver import write
from podsysctl.apiserver.auth.user import SERVER
from podsysctl.apiserver.context import ServerContext
from podsysctl.apiserver.registry import Registry
from podsysctl.apiserver.store import Store
from podsysctl.apiserver.write import Object, Write
from podsysctl.base.errors import PodsysctlError, StatusError
from podsysctl.objects import decode

_GROUP, _PLURAL = "apiextensions.k8s.io", "customresourcedefinitions"
MANAGER = "podsysctl-apiserver"


class DefinitionFileError(PodsysctlError):
    """A file that does not hold a valid CustomResourceDefinition."""

    reason = "InvalidDefinition"


async def load_directory(server: ServerContext, directory: Path) -> list[str]:
    """Create or update the definitions of all `*.yaml` files; returns their names. Raises DefinitionFileError."""
    names = []
    for path, raw in await asyncio.to_thread(_read_files, directory):
        try:
            names.append(await _ensure(server, decode.decode_yaml(raw)))
        except (StatusError, KeyError, TypeError) as error:
            raise DefinitionFileError(f"{path}: {error}") from error
    return names


def _read_files(directory: Path) -> list[tuple[Path, bytes]]:
    try:
        return [(path, path.read_bytes()) for path in sorted(directory.glob("*.yaml"))]
    except OSError as error:
        raise DefinitionFileError(f"{directory}: {error.strerror}") from error


async def _ensure(server: ServerContext, wanted: Any) -> str:
    resource = server.registry.get(_GROUP, _PLURAL)
    decoded = decode.decode_value(wanted, resource.schema, resource.kind)
    if decoded.problems:
        raise decode.strict_error(decoded, resource.kind)
    obj = decoded.object
    name: str = obj["metadata"]["name"]
    packed = orjson.dumps(obj)
    task = Write(server=server, resource=resource, user=SERVER, name=name, manager=MANAGER)

    def change(old: Object | None) -> Object:
        fresh: Object = orjson.loads(packed)
        if old is not None:
            metadata = {**old["metadata"]}
            for key in ("labels", "annotations"):
                given = fresh["metadata"].get(key)
                if given:
                    metadata[key] = {**(metadata.get(key) or {}), **given}
            fresh["metadata"] = metadata
        return fresh

    await write.update_object(task, change, create_ok=True)
    return name


def live_uid(registry: Registry, store: Store, plural: str, namespace: str, name: str) -> str | None:
    """The uid of a core object that is not being deleted, None otherwise."""
    resource = registry.get("", plural)
    item = store.get(resource.bucket, resource.key(namespace, name))
    if item is None:
        return None
    metadata = orjson.loads(item.data)["metadata"]
    return None if metadata.get("deletionTimestamp") and plural != "pods" else metadata.get("uid")

"""The end of a definition: its instances are deleted, then its finalizer is taken off.

Source of conditions: Kubernetes 1.36 `apiextensions-apiserver/pkg/controller/finalizer/crd_finalizer.go`.
"""

from __future__ import annotations

import asyncio

from podsysctl.apiserver import delete, write
from podsysctl.apiserver.auth.user import SERVER
from podsysctl.apiserver.context import ServerContext
from podsysctl.apiserver.definitions import names
from podsysctl.apiserver.definitions.serving import stored_resource
from podsysctl.apiserver.write import Object, Write
from podsysctl.base.errors import StatusError
from podsysctl.objects import status

_GROUP, _PLURAL = "apiextensions.k8s.io", "customresourcedefinitions"


async def finish_all(server: ServerContext) -> None:
    """Go on with every definition that is being deleted."""
    for definition in server.definitions.all():
        metadata = definition["metadata"]
        if metadata.get("deletionTimestamp") and names.FINALIZER in (metadata.get("finalizers") or ()):
            await _finish(server, definition)


async def settle_all(server: ServerContext) -> None:
    """Reconsider the names of definitions that were refused some, since others may have freed them."""
    stored = server.definitions.all()
    kind = server.registry.get(_GROUP, _PLURAL)
    for definition in stored:
        if names.condition(definition, "NamesAccepted"):
            continue
        before = definition.get("status")
        names.settle(definition, stored, server.now())
        if definition["status"] == before:
            continue
        settled = definition["status"]
        name = definition["metadata"]["name"]
        task = Write(server=server, resource=kind, user=SERVER, name=name, internal=True)
        await write.update_object(task, _with_status(settled))


def _with_status(settled: Object) -> write.Change:
    def change(old: Object | None) -> Object:
        return {**(old or {}), "status": settled}

    return change


async def _finish(server: ServerContext, definition: Object) -> None:
    """Delete what instances there are; without any left, let the definition go."""
    resource = stored_resource(definition)
    for item in server.store.range(resource.bucket):
        namespace, _, name = item.key.rpartition("/")
        one = Write(server=server, resource=resource, user=SERVER, namespace=namespace, name=name)
        try:
            await delete.delete_object(one, delete.DeleteOptions())
        except StatusError as error:
            if error.code not in (404, 409):
                raise
        await asyncio.sleep(0)
    if server.store.count(resource.bucket):
        return
    name = definition["metadata"]["name"]
    kind = server.registry.get(_GROUP, _PLURAL)

    def change(old: Object | None) -> Object:
        if old is None:
            raise status.not_found(kind.kind, name)
        new = {**old, "metadata": dict(old["metadata"])}
        left = [f for f in new["metadata"].get("finalizers") or () if f != names.FINALIZER]
        new["metadata"].pop("finalizers", None)
        if left:
            new["metadata"]["finalizers"] = left
        reason, text = "InstanceDeletionCompleted", "removed all instances"
        names.set_condition(new, "Terminating", False, reason, text, server.now())
        return new

    task = Write(server=server, resource=kind, user=SERVER, name=name, internal=True)
    try:
        await write.update_object(task, change)
    except StatusError as error:
        if error.code != 404:
            raise

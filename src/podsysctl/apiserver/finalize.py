"""namespaces/finalize: take a finalizer off `spec`; the last one ends the namespace."""

from __future__ import annotations

from aiohttp import web

from podsysctl.apiserver import respond, subbody, verbs, write
from podsysctl.apiserver.context import Call
from podsysctl.apiserver.write import Object
from podsysctl.objects import status


async def update(call: Call) -> web.StreamResponse:
    """PUT of a namespace with other `spec.finalizers`; nothing else of it is taken over."""
    body, wanted = await subbody.read(call, "UpdateOptions")
    finalizers = (body.get("spec") or {}).get("finalizers")
    version = (body.get("metadata") or {}).get("resourceVersion")

    def change(old: Object | None) -> Object:
        if old is None:
            raise status.not_found(call.resource.kind, call.info.name)
        spec = {**(old.get("spec") or {}), "finalizers": finalizers or []}
        metadata = {**old["metadata"], "resourceVersion": version or old["metadata"]["resourceVersion"]}
        return {**old, "metadata": metadata, "spec": spec}

    done = verbs.write_of(call, wanted)
    done.internal = True
    return respond.send(call, (await write.update_object(done, change)).object)

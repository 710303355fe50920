"""The scale subresource of workloads and of custom kinds that declare one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from podsysctl.apiserver import body as bodies
from podsysctl.apiserver import customresource, get_list, options, respond, subbody, verbs, write
from podsysctl.apiserver import patch as patches
from podsysctl.apiserver.context import Call
from podsysctl.apiserver.shape import load
from podsysctl.apiserver.write import Object
from podsysctl.base.errors import UsageError
from podsysctl.objects import decode, fielderrors, selectors, status
from podsysctl.objects import patch as patching
from podsysctl.objects import schema as schemas

_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
_WORKLOAD = ("spec.replicas", "status.replicas")


async def get(call: Call) -> web.StreamResponse:
    """The Scale of an object."""
    return respond.send_other(call, scale_of(call, load(call.resource, get_list.current(call))))


async def update(call: Call) -> web.StreamResponse:
    """PUT of a Scale."""
    body, wanted = await subbody.read(call, "UpdateOptions")
    return await _write(call, wanted, lambda _: body)


async def patch(call: Call) -> web.StreamResponse:
    """PATCH of a Scale."""
    media = bodies.media_type(call.http)
    accepted = (patches.JSON_PATCH, patches.MERGE, patches.STRATEGIC)
    if media not in accepted:
        raise status.unsupported_media_type(accepted)
    raw = await bodies.read(call.http)
    wanted = options.parse_write(call.query, "PatchOptions")
    content = patches.read_patch(raw, media)
    kind = call.resource.kind.body_of("scale")
    schema = schemas.builtin(kind.type_name)

    def changed(scale: Object) -> Object:
        if media == patches.JSON_PATCH:
            result: Object = patching.json_patch(scale, content)
        elif media == patches.MERGE:
            result = patching.merge_patch(scale, content)
        else:
            result = patching.strategic_merge(scale, content, schema)
        return decode.decode_value(result, schema, kind).object

    return await _write(call, wanted, changed)


async def _write(call: Call, wanted: options.WriteOptions, changed: Any) -> web.StreamResponse:
    def change(old: Object | None) -> Object:
        if old is None:
            raise status.not_found(call.resource.kind, call.info.name)
        scale = changed(scale_of(call, old))
        replicas = (scale.get("spec") or {}).get("replicas") or 0
        if replicas < 0:
            error = fielderrors.invalid("spec.replicas", replicas, "must be greater than or equal to 0")
            raise status.invalid_kind("autoscaling", "Scale", call.info.name, [error])
        version = (scale.get("metadata") or {}).get("resourceVersion") or old["metadata"]["resourceVersion"]
        new = _with(old, paths(call)[0], replicas)
        new["metadata"] = {**old["metadata"], "resourceVersion": version}
        return new

    done = verbs.write_of(call, wanted)
    done.subresource = "scale"
    written = await write.update_object(done, change)
    return respond.send_other(call, scale_of(call, written.object))


def paths(call: Call) -> tuple[str, str]:
    """Dotted paths of wanted and present replicas."""
    if call.resource.definition is None:
        return _WORKLOAD
    declared = customresource.scale_paths(call.resource)
    return declared["specReplicasPath"].lstrip("."), declared["statusReplicasPath"].lstrip(".")


def scale_of(call: Call, obj: Mapping[str, Any]) -> Object:
    """The `autoscaling/v1` Scale of an object."""
    wanted, present = paths(call)
    metadata = obj["metadata"]
    kept = {key: metadata[key] for key in _METADATA if key in metadata}
    state: Object = {"replicas": _read(obj, present) or 0}
    selector = _selector(call, obj)
    if selector:
        state["selector"] = selector
    replicas = _read(obj, wanted)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": kept,
        "spec": {"replicas": replicas} if replicas else {},
        "status": state,
    }


def _selector(call: Call, obj: Mapping[str, Any]) -> str:
    if call.resource.definition is not None:
        path = customresource.scale_paths(call.resource).get("labelSelectorPath", "")
        return str(_read(obj, path.lstrip(".")) or "") if path else ""
    try:
        return str(selectors.from_object((obj.get("spec") or {}).get("selector")))
    except UsageError:
        return ""


def _read(obj: Mapping[str, Any], path: str) -> Any:
    value: Any = obj
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _with(obj: Mapping[str, Any], path: str, value: Any) -> Object:
    """A copy with one field changed."""
    head, _, rest = path.partition(".")
    inner = obj.get(head)
    if not rest:
        return {**obj, head: value}
    return {**obj, head: _with(inner if isinstance(inner, Mapping) else {}, rest, value)}

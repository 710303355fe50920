"""Which handler answers which verb on which path of a resource."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from podsysctl.apiserver import delete, get_list, patch, subresources, verbs, watch
from podsysctl.apiserver.context import Call
from podsysctl.apiserver.reviews import registry as reviews
from podsysctl.base.errors import StatusError
from podsysctl.objects import status

Handler = Callable[[Call], Awaitable[web.StreamResponse]]


async def dispatch(call: Call) -> web.StreamResponse:
    """Answer an authorized resource request."""
    info, kind = call.info, call.resource.kind
    if info.extra_parts and info.subresource != "proxy":
        raise status.path_not_found()
    if info.subresource:
        sub = kind.subresource(info.subresource)
        if sub is None or not info.name:
            raise status.path_not_found()
        if info.verb not in sub.verbs:
            raise status.method_not_supported(kind, info.verb)
        return await subresources.dispatch(call)
    if kind.namespaced and info.verb in ("create", "get", "update", "patch", "delete") and not info.namespace:
        raise status.method_not_supported(kind, info.verb) if info.verb == "create" else status.path_not_found()
    if not kind.namespaced and info.namespace and kind.plural != "namespaces":
        raise status.path_not_found()
    if info.verb not in kind.verbs or (info.verb == "create" and info.name):
        raise status.method_not_supported(kind, info.verb)
    definition = call.resource.definition
    if info.verb == "create" and definition is not None and definition["metadata"].get("deletionTimestamp"):
        text = "create not allowed while custom resource definition is terminating"
        raise StatusError(405, "MethodNotAllowed", text, status.method_not_supported(kind, "create").details)
    review = reviews.handler(call.resource.kind)
    if review is not None:
        return await review(call)
    return await _HANDLERS[info.verb](call)


_HANDLERS: dict[str, Handler] = {
    "get": get_list.get,
    "list": get_list.list_objects,
    "watch": watch.watch,
    "create": verbs.create,
    "update": verbs.update,
    "patch": patch.patch_object,
    "delete": delete.delete,
    "deletecollection": delete.delete_collection,
}

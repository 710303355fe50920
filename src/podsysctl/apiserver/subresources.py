"""Paths below an object: which module answers which subresource."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from podsysctl.apiserver import binding, eviction, finalize, get_list, patch, scale, streaming, tokenrequest, verbs
from podsysctl.apiserver.admission.request import CONNECT, AdmissionRequest
from podsysctl.apiserver.auth.rbac import Attributes
from podsysctl.apiserver.context import Call
from podsysctl.apiserver.shape import load
from podsysctl.objects import status

Handler = Callable[[Call], Awaitable[web.StreamResponse]]

_STREAMS = frozenset({"log", "exec", "attach", "portforward"})


async def dispatch(call: Call) -> web.StreamResponse:
    """Answer a request for a subresource that the kind has, with a verb it knows."""
    name = call.info.subresource
    if name in _STREAMS:
        return await _stream(call)
    handler = _HANDLERS.get((name, call.info.verb))
    if handler is None:
        raise status.method_not_supported(call.resource.kind, call.info.verb)
    return await handler(call)


async def _stream(call: Call) -> web.StreamResponse:
    """Logs, exec, attach and port-forward are carried to the pod's node."""
    pod = load(call.resource, get_list.current(call))
    if call.info.subresource != "log":
        _authorize_create(call)
        request = AdmissionRequest(
            server=call.server,
            operation=CONNECT,
            resource=call.resource,
            namespace=call.info.namespace,
            name=call.info.name,
            user=call.user,
            object=None,
            old_object=pod,
            subresource=call.info.subresource,
            warn=call.warn,
        )
        await call.server.admission.mutate(request)
        await call.server.admission.validate(request)
    return await streaming.handle_stream(call.http, call.server, pod, call.info.subresource)


def _authorize_create(call: Call) -> None:
    """Opening a stream with GET needs the right that POST needs, as since Kubernetes 1.35. Raises StatusError 403."""
    info = call.info
    names = (info.group, info.version, info.resource, info.subresource, info.namespace, info.name)
    if info.verb == "create" or call.server.authorizer.authorize(Attributes(call.user, "create", *names)).allowed:
        return
    raise status.forbidden_request(
        user=call.user.name,
        verb="create",
        group=info.group,
        resource=info.resource,
        subresource=info.subresource,
        namespace=info.namespace,
        name=info.name,
    )


_HANDLERS: dict[tuple[str, str], Handler] = {
    ("status", "get"): get_list.get,
    ("status", "update"): verbs.update,
    ("status", "patch"): patch.patch_object,
    ("ephemeralcontainers", "get"): get_list.get,
    ("ephemeralcontainers", "update"): verbs.update,
    ("ephemeralcontainers", "patch"): patch.patch_object,
    ("scale", "get"): scale.get,
    ("scale", "update"): scale.update,
    ("scale", "patch"): scale.patch,
    ("finalize", "update"): finalize.update,
    ("binding", "create"): binding.create,
    ("eviction", "create"): eviction.create,
    ("token", "create"): tokenrequest.create,
}

"""serviceaccounts/token: a fresh token for an account.

Source of rules and texts: Kubernetes 1.36 `pkg/registry/core/serviceaccount/storage/token.go`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

from podsysctl.apiserver import get_list, respond, subbody
from podsysctl.apiserver.auth.tokens import AUDIENCES
from podsysctl.apiserver.context import Call
from podsysctl.apiserver.shape import load
from podsysctl.base.clock import format_time
from podsysctl.objects import fielderrors, status

_MIN_SECONDS = 600
_MAX_SECONDS = 1 << 32
_BINDABLE = {"Pod": "pods", "Secret": "secrets", "Node": "nodes"}


async def create(call: Call) -> web.StreamResponse:
    """Issue a token, bound to a pod, secret or node when the request names one."""
    body, wanted = await subbody.read(call)
    account = load(call.resource, get_list.current(call))
    spec = body.get("spec") or {}
    seconds = int(spec.get("expirationSeconds") or 3600)
    errors = []
    if seconds < _MIN_SECONDS:
        text = "may not specify a duration less than 10 minutes"
        errors.append(fielderrors.invalid("spec.expirationSeconds", seconds, text))
    if seconds > _MAX_SECONDS:
        text = "may not specify a duration larger than 2^32 seconds"
        errors.append(fielderrors.invalid("spec.expirationSeconds", seconds, text))
    if errors:
        raise status.invalid_kind("authentication.k8s.io", "TokenRequest", "", errors)
    bound = _bound(call, spec.get("boundObjectRef"))
    audiences = tuple(spec.get("audiences") or AUDIENCES)
    namespace = call.info.namespace
    token, expires = call.server.tokens.issue(
        namespace, account, audiences=audiences, seconds=seconds, bound_to=bound
    )
    ends = format_time(datetime.fromtimestamp(expires, UTC))
    granted = {**spec, "audiences": list(audiences), "expirationSeconds": seconds}
    answer = {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": call.info.name, "namespace": namespace, "creationTimestamp": call.server.now()},
        "spec": granted,
        "status": {"token": "" if wanted.dry_run else token, "expirationTimestamp": ends},
    }
    return respond.send_other(call, answer, 201)


def _bound(call: Call, reference: Any) -> dict[str, Any] | None:
    """The object a token is bound to, checked. Raises StatusError."""
    if not reference:
        return None
    kind, name = reference.get("kind", ""), reference.get("name", "")
    plural = _BINDABLE.get(kind)
    if plural is None:
        raise status.bad_request(f"cannot bind token for serviceaccount {call.info.name} to {kind}")
    resource = call.server.registry.get("", plural)
    item = call.store.get(resource.bucket, resource.key(call.info.namespace, name))
    if item is None:
        raise status.not_found(resource.kind, name)
    found = orjson.loads(item.data)
    uid = found["metadata"]["uid"]
    if reference.get("uid") and reference["uid"] != uid:
        text = f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record. "
        text += "The object might have been deleted and then recreated"
        raise status.conflict(resource.kind, name, text)
    if kind == "Pod" and (found.get("spec") or {}).get("serviceAccountName") != call.info.name:
        text = (
            f'cannot bind token for serviceaccount "{call.info.name}" to pod running with different '
            f"serviceaccount name."
        )
        raise status.bad_request(text)
    return {"kind": kind, "name": name, "uid": uid}

"""pods/binding: the scheduler's decision. Source: Kubernetes 1.36 `pkg/registry/core/pod/storage/storage.go`."""

from __future__ import annotations

from aiohttp import web

from podsysctl.apiserver import respond, subbody, verbs, write
from podsysctl.apiserver.admission.request import CREATE
from podsysctl.apiserver.context import Call
from podsysctl.apiserver.write import Object
from podsysctl.base.errors import StatusError
from podsysctl.objects import fielderrors, status
from podsysctl.objects.quote import quote


async def create(call: Call) -> web.StreamResponse:
    """Give a pod its node, once."""
    body, wanted = await subbody.read(call)
    name = (body.get("metadata") or {}).get("name", "")
    if name and name != call.info.name:
        raise status.bad_request("name in URL does not match name in Binding object")
    _check(body, call.info.name)
    done = verbs.write_of(call, wanted)
    request = done.admission(CREATE, body, None)
    await call.server.admission.mutate(request)
    await call.server.admission.validate(request)
    node = body["target"]["name"]

    def change(old: Object | None) -> Object:
        if old is None:
            raise status.not_found(call.resource.kind, call.info.name)
        return _assigned(call, old, body, node)

    done.internal = True
    await write.update_object(done, change)
    return respond.send_other(call, subbody.success(), 201)


def _check(body: Object, name: str) -> None:
    target = body.get("target") or {}
    errors = []
    if target.get("kind", "") not in ("", "Node"):
        errors.append(fielderrors.not_supported("target.kind", target["kind"], ("Node", "<empty>")))
    if not target.get("name"):
        errors.append(fielderrors.required("target.name"))
    if errors:
        raise status.invalid_kind("", "Binding", name, errors)


def _assigned(call: Call, pod: Object, body: Object, node: str) -> Object:
    """The pod on its node. Raises StatusError 409."""
    wanted_uid, uid = (body.get("metadata") or {}).get("uid"), pod["metadata"].get("uid")
    if wanted_uid and wanted_uid != uid:
        text = f"Precondition failed: UID in precondition: {wanted_uid}, UID in object meta: {uid}"
        raise status.conflict(call.resource.kind, call.info.name, text)
    if pod["metadata"].get("deletionTimestamp"):
        raise _refused(call, f"pod {call.info.name} is being deleted, cannot be assigned to a host")
    spec = dict(pod.get("spec") or {})
    if spec.get("nodeName"):
        raise _refused(call, f"pod {call.info.name} is already assigned to node {quote(spec['nodeName'])}")
    if spec.get("schedulingGates"):
        raise _refused(call, f"pod {call.info.name} has non-empty .spec.schedulingGates")
    spec["nodeName"] = node
    metadata = dict(pod["metadata"])
    for key in ("annotations", "labels"):
        given = (body.get("metadata") or {}).get(key)
        if given:
            metadata[key] = {**(metadata.get(key) or {}), **given}
    state = dict(pod.get("status") or {})
    conditions = [c for c in state.get("conditions") or () if c.get("type") != "PodScheduled"]
    conditions.append(
        {
            "type": "PodScheduled",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": call.server.now(),
            "observedGeneration": metadata.get("generation"),
        }
    )
    state["conditions"] = conditions
    state.pop("nominatedNodeName", None)
    return {**pod, "metadata": metadata, "spec": spec, "status": state}


def _refused(call: Call, text: str) -> StatusError:
    kind = call.resource.kind
    return StatusError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {kind.plural}/binding "{call.info.name}": {text}',
        status.conflict(kind, call.info.name).details,
    )

"""pods/eviction: a deletion that disruption budgets may put off.

Source of rules and texts: Kubernetes 1.36 `pkg/registry/core/pod/storage/eviction.go`.
"""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from podsysctl.apiserver import delete, get_list, respond, subbody, verbs, write
from podsysctl.apiserver.admission.request import CREATE
from podsysctl.apiserver.context import Call
from podsysctl.apiserver.shape import load
from podsysctl.apiserver.write import Object, Write
from podsysctl.base.errors import Cause, StatusError, UsageError
from podsysctl.objects import selectors, status

_POLICY = "policy"
_MAX_DISRUPTED = 2000
_PROCESSING_S = 10
_TOO_MANY = "Cannot evict pod as it would violate the pod's disruption budget."


async def create(call: Call) -> web.StreamResponse:
    """Evict a pod, or say 429 and why."""
    body, wanted = await subbody.read(call)
    if (body.get("metadata") or {}).get("name", "") != call.info.name:
        raise status.bad_request("name in URL does not match name in Eviction object")
    options = delete.plain_options(body.get("deleteOptions"))
    dry_run = options.dry_run or wanted.dry_run
    removal = verbs.write_of(call, wanted)
    removal.subresource, removal.dry_run = "", dry_run
    request = verbs.write_of(call, wanted).admission(CREATE, body, None)
    await call.server.admission.mutate(request)
    pod = load(call.resource, get_list.current(call))
    await call.server.admission.validate(request)
    if not _is_terminal(pod):
        await _ask_budgets(call, pod, dry_run)
    now = call.server.now()
    await delete.delete_object(removal, options, lambda obj: _mark(obj, now))
    return respond.send_other(call, subbody.success(), 201)


def _is_terminal(pod: Object) -> bool:
    """Pods whose end disrupts nothing."""
    phase = (pod.get("status") or {}).get("phase")
    return phase in ("Succeeded", "Failed", "Pending") or bool(pod["metadata"].get("deletionTimestamp"))


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def _mark(pod: Object, now: str) -> None:
    """Tell the pod why it ends."""
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": now,
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }
    state = pod.setdefault("status", {})
    others = [c for c in state.get("conditions") or () if c.get("type") != "DisruptionTarget"]
    state["conditions"] = [*others, condition]


async def _ask_budgets(call: Call, pod: Object, dry_run: bool) -> None:
    """Take one disruption from the pod's budget. Raises StatusError 429 when none is left."""
    budgets = _budgets(call, pod)
    if not budgets:
        return
    if len(budgets) > 1:
        text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        raise StatusError(500, "", text)
    budget = budgets[0]
    state = budget.get("status") or {}
    if not _is_ready(pod):
        policy = (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy")
        desired = state.get("desiredHealthy", 0)
        if policy == "AlwaysAllow" or (state.get("currentHealthy", 0) >= desired > 0):
            return
    resource = call.server.registry.get(_POLICY, "poddisruptionbudgets")
    name = pod["metadata"]["name"]

    def change(old: Object | None) -> Object:
        if old is None:
            raise status.not_found(resource.kind, budget["metadata"]["name"])
        return _decremented(old, name, call.server.now())

    taking = Write(
        server=call.server,
        resource=resource,
        user=call.user,
        namespace=call.info.namespace,
        name=budget["metadata"]["name"],
        subresource="status",
        dry_run=dry_run,
        manager="podsysctl-apiserver",
    )
    await write.update_object(taking, change)


def _budgets(call: Call, pod: Object) -> list[Object]:
    resource = call.server.registry.get(_POLICY, "poddisruptionbudgets")
    out = []
    for item in call.store.range(resource.bucket, resource.prefix(call.info.namespace)):
        budget = orjson.loads(item.data)
        try:
            selector = selectors.from_object((budget.get("spec") or {}).get("selector"))
        except UsageError:
            continue  # upstream skips a budget whose selector cannot be understood
        if selector.matches_object(pod):
            out.append(budget)
    return out


def _decremented(budget: Object, pod_name: str, now: str) -> Object:
    """The budget after one more disruption. Raises StatusError 429 or 403."""
    metadata, state = budget["metadata"], dict(budget.get("status") or {})
    name = metadata["name"]
    allowed, disrupted = state.get("disruptionsAllowed", 0), dict(state.get("disruptedPods") or {})
    if state.get("observedGeneration", 0) < metadata.get("generation", 0):
        text = f"The disruption budget {name} is still being processed by the server."
        raise status.too_many_requests(_TOO_MANY, _PROCESSING_S, [Cause("DisruptionBudget", text)])
    if allowed < 0:
        raise _forbidden(name, "pdb disruptions allowed is negative")
    if len(disrupted) > _MAX_DISRUPTED:
        raise _forbidden(name, "DisruptedPods map too big - too many evictions not confirmed by PDB controller")
    if allowed == 0:
        raise status.too_many_requests(_TOO_MANY, causes=[Cause("DisruptionBudget", _needs(name, state))])
    state["disruptionsAllowed"] = allowed - 1
    if allowed - 1 == 0:
        state["conditions"] = _insufficient(state.get("conditions") or [], metadata.get("generation", 0), now)
    disrupted[pod_name] = now
    state["disruptedPods"] = disrupted
    return {**budget, "status": state}


def _needs(name: str, state: Object) -> str:
    """Why no disruption is left."""
    failing: Object = {}
    for condition in state.get("conditions") or ():
        if condition.get("type") == "DisruptionAllowed" and condition.get("status") == "False":
            failing = condition
    text, reason = failing.get("message", ""), failing.get("reason", "")
    refused = f"The disruption budget {name} does not allow evicting pods currently"
    if text and reason == "SyncFailed":
        return f"{refused} because it failed sync: {text}"
    current, desired = state.get("currentHealthy", 0), state.get("desiredHealthy", 0)
    if current <= desired:
        return f"The disruption budget {name} needs {desired} healthy pods and has {current} currently"
    return f"{refused} ({reason}): {text}" if text else refused


def _insufficient(conditions: list[Any], generation: int, now: str) -> list[Any]:
    others = [c for c in conditions if c.get("type") != "DisruptionAllowed"]
    new = {
        "type": "DisruptionAllowed",
        "status": "False",
        "observedGeneration": generation,
        "lastTransitionTime": now,
        "reason": "InsufficientPods",
        "message": "",
    }
    return [*others, new]


def _forbidden(name: str, text: str) -> StatusError:
    return StatusError(403, "Forbidden", f'poddisruptionbudgets.policy "{name}" is forbidden: {text}')

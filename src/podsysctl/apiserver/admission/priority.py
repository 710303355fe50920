"""Priority: a pod's number and preemption policy from its PriorityClass.

Source of rules and texts: Kubernetes 1.36 `plugin/pkg/admission/priority/admission.go`.
"""

from __future__ import annotations

from typing import Any

from podsysctl.apiserver.admission.request import CREATE, UPDATE, AdmissionRequest
from podsysctl.base.errors import StatusError

_GROUP, _PLURAL = "scheduling.k8s.io", "priorityclasses"


class Priority:
    """Resolves `priorityClassName`, and keeps the default class unique."""

    name = "Priority"

    async def mutate(self, request: AdmissionRequest) -> None:
        """Fill in priority and preemptionPolicy of a pod."""
        if not request.is_for("", "pods") or request.object is None:
            return
        spec = request.object.get("spec")
        if not isinstance(spec, dict):
            return
        if request.operation == UPDATE and request.old_object is not None:
            old = request.old_object.get("spec") or {}
            if spec.get("priority") is None and spec.get("priorityClassName") == old.get("priorityClassName"):
                spec["priority"] = old.get("priority", 0)
            return
        if request.operation == CREATE:
            self._resolve(request, spec)

    async def validate(self, request: AdmissionRequest) -> None:
        """Refuse a second default class."""
        if not request.is_for(_GROUP, _PLURAL) or request.object is None or not request.object.get("globalDefault"):
            return
        for other in request.list(_GROUP, _PLURAL):
            if other.get("globalDefault") and other["metadata"]["name"] != request.object["metadata"].get("name"):
                raise request.forbidden(
                    f"PriorityClass {other['metadata']['name']} is already marked as default. "
                    "Only one default can exist"
                )

    def _resolve(self, request: AdmissionRequest, spec: dict[str, Any]) -> None:
        name = spec.get("priorityClassName") or ""
        if not name:
            default = self._default(request)
            if default is not None:
                spec["priorityClassName"] = default["metadata"]["name"]
            found: dict[str, Any] = default or {}
        else:
            stored = request.find(_GROUP, _PLURAL, "", name)
            if stored is None:
                raise request.forbidden(f"no PriorityClass with name {name} was found")
            found = stored
        value = int(found.get("value", 0))
        if spec.get("priority") is not None and int(spec["priority"]) != value:
            raise _computed(request, "priority", value)
        spec["priority"] = value
        policy = found.get("preemptionPolicy") or "PreemptLowerPriority"
        if spec.get("preemptionPolicy") and spec["preemptionPolicy"] != policy:
            text = (
                f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in pod spec; "
                f"priority admission controller computed {policy} from the given PriorityClass name"
            )
            raise request.forbidden(text)
        spec["preemptionPolicy"] = policy

    @staticmethod
    def _default(request: AdmissionRequest) -> dict[str, Any] | None:
        chosen: dict[str, Any] | None = None
        for stored in request.list(_GROUP, _PLURAL, holding=b'"globalDefault":true'):
            lower = chosen is None or int(stored.get("value", 0)) < int(chosen.get("value", 0))
            if stored.get("globalDefault") and lower:
                chosen = stored
        return chosen


def _computed(request: AdmissionRequest, what: str, value: int) -> StatusError:
    assert request.object is not None
    given = request.object["spec"][what]
    return request.forbidden(
        f"the integer value of {what} ({given}) must not be provided in pod spec; "
        f"priority admission controller computed {value} from the given PriorityClass name"
    )

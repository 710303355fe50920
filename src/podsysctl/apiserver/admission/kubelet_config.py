"""KubeletConfig objects: refuses, before it is stored, a list of sysctls that would stop the kubelet from starting.

OpenShift stores such an object and lets the first node of the pool die of it; here the rollout never begins. Whoever
wants upstream's behaviour (refused in the object's status alone) sets the annotation. Everything else that can be
wrong with a KubeletConfig is said in its status, as upstream does.
"""

from __future__ import annotations

from typing import Any

from podsysctl.apiserver.admission.request import CREATE, UPDATE, AdmissionRequest
from podsysctl.objects import fielderrors, machineconfig, status
from podsysctl.policy import kubelet_config_fields

SKIP_ANNOTATION = "podsysctl.dev/store-unchecked"


class KubeletConfigObjects:
    """Judges `spec.kubeletConfig.allowedUnsafeSysctls`, entry by entry."""

    name = "podsysctl.dev/KubeletConfig"

    async def mutate(self, request: AdmissionRequest) -> None:
        """Nothing."""

    async def validate(self, request: AdmissionRequest) -> None:
        """Refuse with 422, every bad entry a cause."""
        kind = machineconfig.KUBELET_CONFIG
        if request.operation not in (CREATE, UPDATE) or not request.is_for(kind.group, kind.plural):
            return
        if request.object is None or request.subresource or _is_unchecked(request.object):
            return
        if request.old_object is not None and request.old_object.get("spec") == request.object.get("spec"):
            return  # finalizers and annotations of an object that is there already
        fields = request.object["spec"].get("kubeletConfig") or {}
        path = "spec.kubeletConfig.allowedUnsafeSysctls"
        errors = [
            fielderrors.invalid(f"{path}[{index}]", pattern, f"the kubelet would not start: {text}")
            for index, pattern, text in kubelet_config_fields.bad_patterns(fields)
        ]
        if errors:
            raise status.invalid(request.kind, request.name, errors)


def _is_unchecked(obj: dict[str, Any]) -> bool:
    return (obj["metadata"].get("annotations") or {}).get(SKIP_ANNOTATION) == "true"

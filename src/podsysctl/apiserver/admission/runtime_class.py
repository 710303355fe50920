"""RuntimeClass: a pod may only name a class that exists, and only a class gives a pod overhead.

No RuntimeClass objects are served, so every name is one that does not exist.
Source of rules and texts: Kubernetes 1.36 `plugin/pkg/admission/runtimeclass/admission.go`.
"""

from __future__ import annotations

from typing import Any

from podsysctl.apiserver.admission.request import CREATE, AdmissionRequest
from podsysctl.objects.quote import quote


class RuntimeClass:
    """Refuses new pods that name a class, or bring overhead without one."""

    name = "RuntimeClass"

    async def mutate(self, request: AdmissionRequest) -> None:
        """The class is looked for before the pod's fields are checked."""
        name = _new_pod(request).get("runtimeClassName")
        if name is not None:
            raise request.forbidden(f"pod rejected: RuntimeClass {quote(str(name))} not found")

    async def validate(self, request: AdmissionRequest) -> None:
        """Overhead is the class's to set."""
        if _new_pod(request).get("overhead"):
            text = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            raise request.forbidden(text)


def _new_pod(request: AdmissionRequest) -> dict[str, Any]:
    """The spec of a pod that is being made; empty for any other request."""
    if request.operation != CREATE or not request.is_for("", "pods") or request.object is None:
        return {}
    spec = request.object.get("spec")
    return spec if isinstance(spec, dict) else {}

"""DefaultTolerationSeconds: pods stay five minutes on a node that is not ready or not reachable.

Source: Kubernetes 1.36 `plugin/pkg/admission/defaulttolerationseconds/admission.go`.
"""

from __future__ import annotations

from podsysctl.apiserver.admission.request import CREATE, UPDATE, AdmissionRequest

_SECONDS = 300
_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


class DefaultTolerationSeconds:
    """Adds the two tolerations that a pod does not already have in some form."""

    name = "DefaultTolerationSeconds"

    async def mutate(self, request: AdmissionRequest) -> None:
        """Add what is missing."""
        if not request.is_for("", "pods") or request.operation not in (CREATE, UPDATE) or request.object is None:
            return
        spec = request.object.get("spec")
        if not isinstance(spec, dict):
            return
        present = spec.get("tolerations") or []
        added = []
        for taint in _TAINTS:
            tolerated = any(
                toleration.get("key", "") in (taint, "") and toleration.get("effect", "") in ("NoExecute", "")
                for toleration in present
            )
            if not tolerated:
                added.append(
                    {"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _SECONDS}
                )
        if added:
            spec["tolerations"] = [*present, *added]

    async def validate(self, request: AdmissionRequest) -> None:
        """Nothing more."""

"""NamespaceLifecycle: nothing new in namespaces that are missing or going; some namespaces stay for ever.

Source of texts: Kubernetes 1.36 `apiserver/pkg/admission/plugin/namespace/lifecycle/admission.go`.
"""

from __future__ import annotations

from podsysctl.apiserver.admission.request import CREATE, DELETE, AdmissionRequest
from podsysctl.base.errors import Cause, StatusDetails, StatusError
from podsysctl.objects import status

IMMORTAL = frozenset({"default", "kube-system", "kube-public"})


class NamespaceLifecycle:
    """Refuses writes into namespaces that do not exist or are being deleted."""

    name = "NamespaceLifecycle"

    async def mutate(self, request: AdmissionRequest) -> None:
        """The whole check: it comes before anything else looks at the object."""
        if request.is_for("", "namespaces"):
            if request.operation == DELETE and request.name in IMMORTAL:
                raise request.forbidden("this namespace may not be deleted")
            return
        if request.operation == DELETE or not request.namespace or not request.kind.namespaced:
            return
        if request.kind.plural == "localsubjectaccessreviews":
            return
        namespace = request.find("", "namespaces", "", request.namespace)
        if namespace is None:
            kind = request.server.registry.get("", "namespaces").kind
            raise status.not_found(kind, request.namespace)
        phase = (namespace.get("status") or {}).get("phase")
        if request.operation == CREATE and phase == "Terminating":
            raise _terminating(request)

    async def validate(self, request: AdmissionRequest) -> None:
        """Nothing more."""


def _terminating(request: AdmissionRequest) -> StatusError:
    text = f"unable to create new content in namespace {request.namespace} because it is being terminated"
    error = request.forbidden(text)
    cause = Cause("NamespaceTerminating", f"namespace {request.namespace} is being terminated", "metadata.namespace")
    details = error.details or StatusDetails()
    error.details = StatusDetails(details.name, details.group, details.kind, details.uid, (cause,))
    return error

"""SecurityContextConstraints objects: completes and checks them when they are written.

The rules are in `policy/scc/`. Source: kubernetes openshift-kube-apiserver
admission/customresourcevalidation/securitycontextconstraints.
"""

from __future__ import annotations

from podsysctl.apiserver.admission.request import CREATE, UPDATE, AdmissionRequest
from podsysctl.objects import status
from podsysctl.policy.scc import constraint, defaulting, validation


class ConstraintObjects:
    """Two plugins of upstream in one: defaults first, rules after the schema's."""

    name = "security.openshift.io/ValidateSecurityContextConstraints"

    async def mutate(self, request: AdmissionRequest) -> None:
        """Fill in what the schema demands and old clients leave out."""
        if self._applies(request) and request.object is not None:
            request.object.update(defaulting.apply_defaults(request.object))

    async def validate(self, request: AdmissionRequest) -> None:
        """Refuse what contradicts itself."""
        if not self._applies(request) or request.object is None:
            return
        errors = validation.validate(request.object)
        if errors:
            raise status.invalid(request.kind, request.name, errors)

    def _applies(self, request: AdmissionRequest) -> bool:
        is_write = request.operation in (CREATE, UPDATE)
        return is_write and request.is_for(constraint.GROUP, constraint.PLURAL)

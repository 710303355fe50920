"""RBACEscalation: nobody gives away rights that they do not have themselves.

Roles may be written by those who hold all their rules or may `escalate`, bindings by those who hold the role's
rules or may `bind` it. Source of rules and texts: Kubernetes 1.36 `pkg/registry/rbac`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from podsysctl.apiserver.admission.request import CREATE, UPDATE, AdmissionRequest, Object
from podsysctl.apiserver.auth import coverage
from podsysctl.apiserver.auth.rbac import Attributes, Rule
from podsysctl.apiserver.auth.user import MASTERS_GROUP
from podsysctl.base import limits
from podsysctl.objects import status
from podsysctl.objects.quote import quote

_GROUP = "rbac.authorization.k8s.io"
_ROLES = frozenset({"roles", "clusterroles"})
_BINDINGS = frozenset({"rolebindings", "clusterrolebindings"})
_OWNERSHIP = frozenset({"ownerReferences", "finalizers", "managedFields"})


class RbacEscalation:
    """Compares what is granted with what the writer holds."""

    name = "RBACEscalation"

    async def mutate(self, request: AdmissionRequest) -> None:
        """Nothing."""

    async def validate(self, request: AdmissionRequest) -> None:
        """Refuse grants of rights not held."""
        obj, kind = request.object, request.kind
        if kind.group != _GROUP or obj is None or request.operation not in (CREATE, UPDATE):
            return
        if MASTERS_GROUP in request.user.groups or _only_owners_change(obj, request.old_object):
            return
        if kind.plural in _ROLES and not self._may(request, "escalate", kind.plural, request.name):
            if obj.get("aggregationRule"):
                self._confirm(request, [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}])
            self._confirm(request, obj.get("rules") or ())
        elif kind.plural in _BINDINGS:
            reference = obj.get("roleRef") or {}
            plural = "clusterroles" if reference.get("kind") == "ClusterRole" else "roles"
            name = reference.get("name", "")
            if not self._may(request, "bind", plural, name):
                self._confirm(request, self._rules(request, plural, name))

    def _may(self, request: AdmissionRequest, verb: str, plural: str, name: str) -> bool:
        asked = Attributes(request.user, verb, _GROUP, "*", plural, "", request.namespace, name)
        return request.server.authorizer.authorize(asked).allowed

    def _rules(self, request: AdmissionRequest, plural: str, name: str) -> Sequence[Rule]:
        rules = request.server.authorizer.role_rules(plural, request.namespace, name)
        if rules is None:
            raise status.not_found(request.server.registry.get(_GROUP, plural).kind, name)
        return rules

    def _confirm(self, request: AdmissionRequest, wanted: Sequence[Any]) -> None:
        asked = coverage.count(wanted)
        if asked > limits.RIGHTS_COMPARED:
            raise request.forbidden(
                f"{asked} single rights are more than the {limits.RIGHTS_COMPARED} that are compared with those of the "
                "user: use * for what is listed, or several roles"
            )
        held = request.server.authorizer.rules_for(request.user, request.namespace)
        missing = coverage.missing_rules(held, wanted)
        if not missing:
            return
        listed = "\n".join(sorted({coverage.describe(rule) for rule in missing}))
        groups = coverage.quoted_list(request.user.groups)
        raise request.forbidden(
            f"user {quote(request.user.name)} (groups={groups}) is attempting to grant RBAC permissions "
            f"not currently held:\n{listed}"
        )


def _only_owners_change(obj: Object, old: Object | None) -> bool:
    """Whether an update grants nothing: the garbage collector lets go of roles that it could not have written."""
    return old is not None and _without_ownership(obj) == _without_ownership(old)


def _without_ownership(obj: Object) -> Object:
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _OWNERSHIP}
    return {**obj, "metadata": metadata}

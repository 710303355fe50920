"""No usable constraint admits the pod: a new one, as strict as possible, for the pod's service account alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from podsysctl.base.errors import UsageError
from podsysctl.policy import whole
from podsysctl.policy.remedy import Remedy
from podsysctl.policy.scc import admit, ordering
from podsysctl.policy.scc.constraint import GROUP, PLURAL, Constraint
from podsysctl.policy.scc.provider import Provider
from podsysctl.policy.situation import Situation
from podsysctl.policy.verdict import Gate
from podsysctl.policy.whole import Report

_RBAC = "rbac.authorization.k8s.io"


def propose(situation: Situation, report: Report) -> Remedy | None:
    """Derive a constraint from the strictest that fits but for its sysctls, and let the service account use it."""
    if not any(v.gate is Gate.CONSTRAINTS and v.stops for v in report.admission):
        return None
    base = _strictest(situation)
    if base is None:
        return None
    unsafe = _unsafe(situation)
    account = situation.spec.get("serviceAccountName") or "default"
    namespace = situation.namespace.name
    if unsafe:
        name = f"{namespace}-{account}-sysctls"
        obj: dict[str, Any] = {
            **{k: v for k, v in base.fields.items() if k not in ("metadata", "forbiddenSysctls")},
            "metadata": {"name": name},
            "priority": None,
            "users": [],
            "groups": [],
            "allowedUnsafeSysctls": sorted({*unsafe, *(base.fields.get("allowedUnsafeSysctls") or ())}),
        }
        granted = Constraint.parse(obj)
        manifests: list[Mapping[str, Any]] = [obj]
        title = f"Allow {', '.join(unsafe)} by a constraint of its own, derived from {base.name}"
        opens = [f"every pod of service account {account} in {namespace} may set {', '.join(unsafe)}"]
    else:
        name, granted, manifests = base.name, base, []
        title = f"Let service account {account} use scc/{base.name}"
        opens = [f"every pod of service account {account} in {namespace} may do what scc/{base.name} allows"]
    manifests += _access(name, namespace, account)
    known = tuple(c for c in situation.constraints if c.name != name)
    usable = situation.usable

    def with_grant(asked: Constraint) -> str:
        return admit.FOR_SERVICE_ACCOUNT if asked.name == name else usable(asked)

    changed = replace(situation, constraints=(*known, granted), usable=with_grant)
    return Remedy(title, changed, tuple(manifests), opens=tuple(opens))


def _unsafe(situation: Situation) -> list[str]:
    """Names, as written, that are not on every constraint's safe list."""
    return list(dict.fromkeys(name for name, _ in situation.sysctls if name not in situation.safe))


def _strictest(situation: Situation) -> Constraint | None:
    """The first constraint, leaving priorities aside, that would admit the pod if its sysctls were allowed."""
    pod = {**situation.pod, "spec": {**situation.spec}}
    context = {k: v for k, v in (situation.spec.get("securityContext") or {}).items() if k != "sysctls"}
    pod["spec"]["securityContext"] = context
    ordered = sorted(whole.providers(situation), key=lambda p: (ordering.score(p.constraint), p.constraint.name))
    for provider in ordered:
        if not provider.assign(pod)[1] and _is_buildable(provider.constraint, situation):
            return provider.constraint
    return None


def _is_buildable(constraint: Constraint, situation: Situation) -> bool:
    """Whether the constraint can be made ready for the namespace."""
    try:
        Provider(constraint, situation.namespace.ranges, situation.safe)
    except UsageError:
        return False
    return True


def _access(name: str, namespace: str, account: str) -> list[Mapping[str, Any]]:
    """A role that may use the constraint, and its binding to the service account."""
    role = f"system:openshift:scc:{name}"
    return [
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": role},
            "rules": [{"apiGroups": [GROUP], "resources": [PLURAL], "resourceNames": [name], "verbs": ["use"]}],
        },
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": f"{role}:{account}", "namespace": namespace},
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        },
    ]

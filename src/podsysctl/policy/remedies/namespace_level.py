"""Pod Security enforces a level that the pod does not reach: complete the pod, or else lower the level."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from podsysctl.policy.check import BASELINE
from podsysctl.policy.pod_security import (
    ENFORCE,
    LABEL_PREFIX,
    PRIVILEGED,
    LevelVersion,
    join_reasons,
    parse_policy,
)
from podsysctl.policy.pod_view import view_of
from podsysctl.policy.remedy import Remedy, with_pod
from podsysctl.policy.situation import Namespace, Situation
from podsysctl.policy.verdict import Gate
from podsysctl.policy.whole import Report

_COMPLETABLE = frozenset(
    {"allowPrivilegeEscalation != false", "unrestricted capabilities", "runAsNonRoot != true", "seccompProfile"}
)
"""Violations that end when fields are filled in which the pod left out."""


def propose(situation: Situation, report: Report) -> Remedy | None:
    """Fill in the pod's security settings, or label the namespace with the strictest level that fits."""
    if not any(v.gate is Gate.POD_SECURITY and v.stops for v in report.admission):
        return None
    policy, _ = parse_policy(situation.namespace.labels, situation.security.defaults)
    evaluator = situation.security.evaluator
    violations = evaluator.evaluate(policy.enforce, view_of(report.admitted))
    if {v.reason for v in violations} <= _COMPLETABLE:
        completed = with_pod(situation, complete)
        if not evaluator.evaluate(policy.enforce, view_of(completed.pod)):
            title = f"Fill in what level {policy.enforce} demands of the pod: {join_reasons(violations)}"
            return Remedy(title, completed, opens=("nothing; the image must run without root and capabilities",))
    minor = policy.enforce.minor
    level = BASELINE if not evaluator.evaluate(LevelVersion(BASELINE, minor), view_of(report.admitted)) else PRIVILEGED
    if level == policy.enforce.level:
        return None
    label = LABEL_PREFIX + ENFORCE
    namespace = situation.namespace
    relaxed = Namespace(namespace.name, {**namespace.labels, label: level}, namespace.annotations)
    manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": namespace.name, "labels": {label: level}},
    }
    before, after = (evaluator.check_ids(LevelVersion(name, minor)) for name in (policy.enforce.level, level))
    dropped = [check for check in before if check not in after]
    opens = f"no pod of namespace {namespace.name} is refused any more for: {', '.join(dropped)}"
    title = f"Lower the enforced level of namespace {namespace.name} from {policy.enforce.level} to {level}"
    return Remedy(title, replace(situation, namespace=relaxed), (manifest,), opens=(opens,))


def complete(pod: dict[str, Any]) -> None:
    """Fill in the settings that the restricted level wants to see, where the pod says nothing."""
    spec = pod["spec"]
    context = spec.get("securityContext")
    if not context:
        context = spec["securityContext"] = {}
    context.setdefault("runAsNonRoot", True)
    context.setdefault("seccompProfile", {"type": "RuntimeDefault"})
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(kind) or ():
            own = container.get("securityContext")
            if not own:
                own = container["securityContext"] = {}
            own.setdefault("allowPrivilegeEscalation", False)
            capabilities = own.setdefault("capabilities", {})
            drop = capabilities.setdefault("drop", [])
            if "ALL" not in drop:
                drop.append("ALL")

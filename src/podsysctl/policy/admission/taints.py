"""Whether the pod tolerates the node's NoExecute taints; NoSchedule ones are the scheduler's (predicate.go)."""

from __future__ import annotations

from podsysctl.objects import taints
from podsysctl.policy.admission.verdict import NodeView, Rejection
from podsysctl.policy.scheduling.podinfo import PodInfo


def admit(pod: PodInfo, view: NodeView) -> Rejection | None:
    """Refuse for an untolerated NoExecute taint."""
    tolerations = pod.spec.get("tolerations")
    if taints.first_untolerated(view.taints, tolerations, (taints.NO_EXECUTE,)) is None:
        return None
    text = "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate"
    return Rejection("TaintToleration", text)

"""Whether the node's runtime can leave out the groups that an image names (lifecycle/predicate.go)."""

from __future__ import annotations

from podsysctl.policy.admission.verdict import NodeView, Rejection
from podsysctl.policy.scheduling.podinfo import PodInfo


def admit(pod: PodInfo, view: NodeView) -> Rejection | None:
    """Refuse the policy Strict where the runtime would pass over it and merge the image's groups in."""
    context = pod.spec.get("securityContext") or {}
    if context.get("supplementalGroupsPolicy") != "Strict" or view.has_groups_policy:
        return None
    text = "SupplementalGroupsPolicy=Strict is not supported in this node"
    return Rejection("SupplementalGroupsPolicyNotSupported", text)

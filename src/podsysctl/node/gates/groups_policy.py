"""Whether the node's runtime can leave out the groups that an image names (lifecycle/predicate.go)."""

from __future__ import annotations

from podsysctl.node import pod as pods
from podsysctl.node.gates.verdict import NodeView, Rejection


def admit(pod: pods.Pod, view: NodeView) -> Rejection | None:
    """Refuse the policy Strict where the runtime would pass over it and merge the image's groups in."""
    if pods.security_context(pod).get("supplementalGroupsPolicy") != "Strict" or view.has_groups_policy:
        return None
    text = "SupplementalGroupsPolicy=Strict is not supported in this node"
    return Rejection("SupplementalGroupsPolicyNotSupported", text)

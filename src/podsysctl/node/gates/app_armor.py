"""Whether the node can enforce the pod's AppArmor profiles (lifecycle/handlers.go, security/apparmor/validate.go)."""

from __future__ import annotations

from podsysctl.node import pod as pods
from podsysctl.node import security
from podsysctl.node.gates.verdict import NodeView, Rejection


def admit(pod: pods.Pod, view: NodeView) -> Rejection | None:
    """Refuse a pod that has not started and asks for a profile on a host that has no AppArmor."""
    if view.has_app_armor or pods.status(pod).get("phase") not in (None, "Pending"):
        return None
    profiles = [security.app_armor_profile(pod, container) for container in pods.all_containers(pod)]
    # The pod's own counts even when every container has another.
    profiles.append(pods.security_context(pod).get("appArmorProfile"))
    if all(profile is None or profile["type"] == "Unconfined" for profile in profiles):
        return None
    return Rejection("AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host")

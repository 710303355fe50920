"""Whether the node can enforce the pod's AppArmor profiles (lifecycle/handlers.go, security/apparmor/validate.go)."""

from __future__ import annotations

from podsysctl.policy import app_armor
from podsysctl.policy.admission.verdict import NodeView, Rejection
from podsysctl.policy.scheduling.podinfo import PodInfo


def admit(pod: PodInfo, view: NodeView) -> Rejection | None:
    """Refuse a pod that has not started and asks for a profile on a host that has no AppArmor."""
    if view.has_app_armor or (pod.pod.get("status") or {}).get("phase") not in (None, "Pending"):
        return None
    if not app_armor.is_asked_for(pod.pod):
        return None
    return Rejection("AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host")

"""The quality-of-service class of a pod: the API's answer, or worked out where a server gave none. Pure."""

from __future__ import annotations

from podsysctl.node import pod as pods
from podsysctl.objects import resources

GUARANTEED = "Guaranteed"
BURSTABLE = "Burstable"
BEST_EFFORT = "BestEffort"


def qos_class(pod: pods.Pod) -> str:
    """Guaranteed, Burstable or BestEffort."""
    return str(pods.status(pod).get("qosClass") or resources.qos_class(pod))

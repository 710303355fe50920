"""The host's network, PID and IPC namespaces may not be shared.

Fields: spec.hostNetwork, spec.hostPID, spec.hostIPC. Allowed: false, absent.
Source: pod-security-admission policy/check_hostNamespaces.go.
"""

from __future__ import annotations

from podsysctl.policy.check import BASELINE, Check, CheckVersion, Violation
from podsysctl.policy.pod_view import PodView

_FIELDS = ("hostNetwork", "hostPID", "hostIPC")


def since_1_0(pod: PodView) -> Violation | None:
    """None of the three may be true."""
    shared = [f"{field}=true" for field in _FIELDS if pod.spec.get(field)]
    return Violation("host namespaces", ", ".join(shared)) if shared else None


CHECK = Check("hostNamespaces", BASELINE, (CheckVersion(0, since_1_0),))

"""Containers may not use ports of the host.

Field: ports[*].hostPort of all containers. Allowed: 0, absent.
Source: pod-security-admission policy/check_hostPorts.go.
"""

from __future__ import annotations

from podsysctl.policy.check import BASELINE, Check, CheckVersion, Violation, containers_phrase
from podsysctl.policy.pod_view import PodView
from podsysctl.policy.wording import plural


def since_1_0(pod: PodView) -> Violation | None:
    """Every hostPort must be unset; ports are listed in text order, as upstream sorts them."""
    bad: list[str] = []
    ports: set[str] = set()
    for name, _, fields in pod.containers:
        used = [str(p["hostPort"]) for p in fields.get("ports") or () if p.get("hostPort")]
        if used:
            bad.append(name)
            ports.update(used)
    if not bad:
        return None
    verb, noun = plural("uses", "use", len(bad)), plural("hostPort", "hostPorts", len(ports))
    return Violation("hostPort", f"{containers_phrase(bad)} {verb} {noun} {', '.join(sorted(ports))}")


CHECK = Check("hostPorts", BASELINE, (CheckVersion(0, since_1_0),))

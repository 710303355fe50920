"""Windows host processes are forbidden.

Field: securityContext.windowsOptions.hostProcess of pod and containers. Allowed: false, absent.
Source: pod-security-admission policy/check_windowsHostProcess.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.policy.check import BASELINE, Check, CheckVersion, Violation, setters_phrase
from podsysctl.policy.pod_view import PodView


def since_1_0(pod: PodView) -> Violation | None:
    """Neither the pod nor a container may be a host process."""
    of_pod = _is_host_process(pod.security)
    bad = [c.name for c in pod.containers if _is_host_process(c.security)]
    if not of_pod and not bad:
        return None
    setters = setters_phrase(of_pod, bad)
    return Violation("hostProcess", f"{setters} must not set securityContext.windowsOptions.hostProcess=true")


def _is_host_process(security: Mapping[str, Any]) -> bool:
    options = security.get("windowsOptions")
    return bool(options and options.get("hostProcess"))


CHECK = Check("windowsHostProcess", BASELINE, (CheckVersion(0, since_1_0),))

"""Volumes of type hostPath are forbidden.

Field: spec.volumes[*].hostPath. Allowed: absent.
Source: pod-security-admission policy/check_hostPathVolumes.go.
"""

from __future__ import annotations

from podsysctl.policy.check import BASELINE, Check, CheckVersion, Violation
from podsysctl.policy.pod_view import PodView
from podsysctl.policy.wording import join_quoted, plural


def since_1_0(pod: PodView) -> Violation | None:
    """No volume may be a hostPath."""
    bad = [v.get("name") or "" for v in pod.volumes if v.get("hostPath") is not None]
    if not bad:
        return None
    return Violation("hostPath volumes", f"{plural('volume', 'volumes', len(bad))} {join_quoted(bad)}")


CHECK = Check("hostPathVolumes", BASELINE, (CheckVersion(0, since_1_0),))

"""At the restricted level the masks over /proc stay, user namespace or not.

Field: securityContext.procMount of all containers. Allowed: Default, absent.
Source: pod-security-admission policy/check_procMount_restricted.go.
"""

from __future__ import annotations

from podsysctl.policy.check import RESTRICTED, Check, CheckVersion
from podsysctl.policy.checks import proc_mount

CHECK = Check("procMount_restricted", RESTRICTED, (CheckVersion(35, proc_mount.since_1_0, ("procMount",)),))

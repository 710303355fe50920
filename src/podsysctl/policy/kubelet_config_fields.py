"""Which fields a KubeletConfig (machineconfiguration.openshift.io) may set, and whether a kubelet would survive them.

Asked by the API server before the object is stored and by the controller that renders it. Upstream's texts, from
machine-config-operator pkg/controller/kubelet-config/helpers.go (validateUserKubeletConfig); the rule on
allowedUnsafeSysctls is ours: upstream lets a bad list stop the kubelet of the first node.
"""

from __future__ import annotations

from typing import Any

from podsysctl.base.errors import PodsysctlError
from podsysctl.policy.kubelet import Allowlist

Object = dict[str, Any]

FORBIDDEN_FIELDS = ("cgroupDriver", "clusterDNS", "clusterDomain", "featureGates", "failSwapOn")


class KubeletConfigError(PodsysctlError):
    """A KubeletConfig that cannot become a MachineConfig; the message goes into its status."""

    reason = "InvalidKubeletConfig"


def check_fields(fields: Object, *, auto_sizing: bool = False) -> None:
    """The rules that need no pool. Raises KubeletConfigError."""
    patterns = fields.get("allowedUnsafeSysctls")
    if patterns is not None and not (isinstance(patterns, list) and all(isinstance(p, str) for p in patterns)):
        found = "string" if isinstance(patterns, str) else type(patterns).__name__
        raise KubeletConfigError(
            "KubeletConfig could not be unmarshalled, err: json: cannot unmarshal "
            f"{found} into Go struct field KubeletConfiguration.allowedUnsafeSysctls of type []string"
        )
    for name in FORBIDDEN_FIELDS:
        value = fields.get(name)
        if value not in (None, "", [], {}) and not (name == "failSwapOn" and value is False):
            shown = str(value).lower() if isinstance(value, bool) else value
            raise KubeletConfigError(f"KubeletConfiguration: {name} is not allowed to be set, but contains: {shown}")
    if auto_sizing and fields.get("systemReserved"):
        raise KubeletConfigError("KubeletConfiguration: autoSizingReserved and systemdReserved cannot be set together")
    reserved, system = fields.get("systemReservedCgroup"), fields.get("systemCgroups")
    if reserved and system and reserved != system:
        raise KubeletConfigError(
            f"KubeletConfiguration: systemReservedCgroup ({reserved}) must match systemCgroups ({system})"
        )
    try:
        Allowlist.parse(patterns or (), None)
    except PodsysctlError as error:
        raise KubeletConfigError(
            f"KubeletConfiguration: allowedUnsafeSysctls would stop the kubelet: {error.message}", hint=error.hint
        ) from error


def bad_patterns(fields: Object) -> list[tuple[int, str, str]]:
    """Index, pattern and upstream's words for each entry of allowedUnsafeSysctls that a kubelet would die of."""
    out = []
    patterns = fields.get("allowedUnsafeSysctls")
    for index, pattern in enumerate(patterns if isinstance(patterns, list) else ()):
        if not isinstance(pattern, str):
            continue  # not a list of strings: the status says so
        try:
            Allowlist.parse((pattern,), None)
        except PodsysctlError as error:
            out.append((index, pattern, error.message))
    return out

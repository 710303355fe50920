"""The objects that a migration adds, as text: a Tuned for the node's values, a KubeletConfig for what pods need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from podsysctl.policy.remedies.node_level import PRIORITY, TUNED_NAMESPACE

PROFILE_LABEL = "sysctl-profile"
"""Label, taint key and toleration key of nodes that are dedicated to a profile: `podsysctl node dedicate`."""
WORKER_LABEL = "node-role.kubernetes.io/worker"
BASE = "openshift-node"
"""What OpenShift gives nodes by itself: a profile that takes its place must include it, or its values are gone."""
CORRECT_DRIFT = "tuning.podsysctl.dev/correct-drift"

Match = tuple[tuple[str, str], ...]
"""Labels that a node must have, all of them; an empty value means that any will do. None at all: every node."""


@dataclass(slots=True)
class Tuned:
    """A Tuned object on its way: values with their guards in front, and files of /sys."""

    name: str
    match: Match
    values: dict[str, str] = field(default_factory=dict)
    sysfs: dict[str, str] = field(default_factory=dict)
    owners: list[str] = field(default_factory=list)
    correct_drift: bool = False
    include: str = BASE
    priority: int = PRIORITY

    def text(self) -> str:
        """The object as YAML."""
        who = " and ".join(self.owners) + (" need" if len(self.owners) > 1 else " needs")
        include = f"      include={self.include}\n" if self.include else ""
        annotations = f'  annotations:\n    {CORRECT_DRIFT}: "true"\n' if self.correct_drift else ""
        return (
            "apiVersion: tuned.openshift.io/v1\n"
            "kind: Tuned\n"
            "metadata:\n"
            f"  name: {self.name}\n"
            f"  namespace: {TUNED_NAMESPACE}\n"
            f"{annotations}"
            "spec:\n"
            "  profile:\n"
            f"  - name: {self.name}\n"
            "    data: |\n"
            "      [main]\n"
            f"      summary=Kernel parameters that {who}\n"
            f"{include}"
            f"{_section('sysctl', self.values)}"
            f"{_section('sysfs', self.sysfs)}"
            "  recommend:\n"
            f"  - profile: {self.name}\n"
            f"    priority: {self.priority}\n"
            f"{_match(self.match)}"
        )


def _section(name: str, entries: Mapping[str, str]) -> str:
    lines = "".join(f"      {key}={value}\n" for key, value in entries.items())
    return f"      [{name}]\n{lines}" if lines else ""


def _match(labels: Match) -> str:
    """The labels, each nested in the one before: nested entries must all hold."""
    out, indent = "", "    "
    for label, value in labels:
        out += f"{indent}match:\n{indent}- label: {label}\n"
        out += f'{indent}  value: "{value}"\n' if value else ""
        indent += "  "
    return out


def kubelet_config(names: Iterable[str]) -> str:
    """A KubeletConfig that lets the workers' pods set these."""
    listed = "".join(f'    - "{name}"\n' for name in sorted(names))
    return (
        "# Pods of the workers may set these. Another KubeletConfig of the pool with this list would replace it.\n"
        "apiVersion: machineconfiguration.openshift.io/v1\n"
        "kind: KubeletConfig\n"
        "metadata:\n"
        "  name: migrated-sysctls\n"
        "spec:\n"
        "  machineConfigPoolSelector:\n"
        "    matchLabels:\n"
        '      pools.operator.machineconfiguration.openshift.io/worker: ""\n'
        "  kubeletConfig:\n"
        "    allowedUnsafeSysctls:\n"
        f"{listed}"
    )

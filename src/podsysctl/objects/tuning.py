"""Kinds, names and annotations of node tuning, as clients, the controller and nodes see them.

Source: cluster-node-tuning-operator pkg/apis/tuned/v1; what is ours alone begins with `tuning.podsysctl.dev/`.
"""

from __future__ import annotations

from typing import Final

from podsysctl.objects.kinds import Kind, Subresource

GROUP: Final = "tuned.openshift.io"
NAMESPACE: Final = "openshift-cluster-node-tuning-operator"
"""Every Tuned and Profile that counts lives here; those of other namespaces are looked at by nobody."""


def _kind(kind: str, plural: str, singular: str) -> Kind:
    status = Subresource("status", GROUP, "v1", kind, ("get", "patch", "update"))
    return Kind(
        group=GROUP,
        version="v1",
        kind=kind,
        plural=plural,
        singular=singular,
        namespaced=True,
        subresources=(status,),
    )


TUNED: Final = _kind("Tuned", "tuneds", "tuned")
PROFILE: Final = _kind("Profile", "profiles", "profile")

DEFAULT: Final = "default"
"""The Tuned that always exists, and the only one whose managementState counts."""
MACHINE_DEFAULTS: Final = "machine-defaults"
"""The profile that changes nothing, which every node has unless something else is recommended."""

DEFERRED: Final = f"{GROUP}/deferred"
"""`always` or `update` on a Tuned: its profile waits for the node's next start."""
CORRECT_DRIFT: Final = "tuning.podsysctl.dev/correct-drift"
"""`true` on a Tuned: values of its profile that others change are set back."""

VALID: Final = "Valid"
USABLE: Final = "Usable"
"""Ours: whether every profile that a Tuned recommends exists and can be loaded."""
APPLIED: Final = "Applied"
DEGRADED: Final = "Degraded"

"""What a gate looks at and what it answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from podsysctl.policy.kubelet import Allowlist
from podsysctl.policy.scheduling.podinfo import PodInfo


@dataclass(frozen=True, slots=True)
class Rejection:
    """A refusal: `status.reason`, and the message without its `Pod was rejected: ` prefix."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class NodeView:
    """What the node knows when a pod arrives: its list, its object, and the pods it already runs.

    `allocatable` counts cpu in thousandths and everything else in units.
    """

    allowlist: Allowlist
    node_name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Mapping[str, Any]] = ()
    allocatable: Mapping[str, int] = field(default_factory=dict)
    active_pods: Collection[PodInfo] = ()
    has_app_armor: bool = False
    has_groups_policy: bool = False

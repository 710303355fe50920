"""The fixes that are known, one file each; this tuple is the registry, in the order in which they are asked."""

from __future__ import annotations

from podsysctl.policy.remedies import (
    constraint,
    interface,
    kubelet_allowlist,
    namespace_level,
    node_level,
    spelling,
    toleration,
    value,
)
from podsysctl.policy.remedy import Proposer

REMEDIES: tuple[Proposer, ...] = (
    spelling.propose,
    interface.propose,
    node_level.propose,
    value.propose,
    constraint.propose,
    namespace_level.propose,
    kubelet_allowlist.propose,
    toleration.propose,
)

"""Everything that decides whether one pod runs: the pod, its namespace, the cluster's rules, its nodes.

A value: `evaluate` judges it, and the remedies of `policy/remedies/` return changed copies of it, so that a fix can be
judged before anybody applies it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from podsysctl.policy.node_facts import NodeFacts
from podsysctl.policy.platform import Platform, pod_security
from podsysctl.policy.pod_security_request import PodSecurity
from podsysctl.policy.scc.admit import FOR_USER
from podsysctl.policy.scc.constraint import Constraint
from podsysctl.policy.scc.namespace_range import NamespaceRanges
from podsysctl.policy.scheduling.nodeinfo import Cluster

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Namespace:
    """The namespace a pod is for."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def ranges(self) -> NamespaceRanges:
        """The ids and the level its annotations give."""
        return NamespaceRanges.parse(self.name, self.annotations)


@dataclass(frozen=True, slots=True)
class Pool:
    """One MachineConfigPool, and the KubeletConfig that decides its nodes' allowlist, when there is one."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    kubelet_config: Object | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """One node: what it publishes, its pool's name (empty without pools), and whether it is cordoned.

    `tuned_profile` is the tuning profile it is given now; None when nobody tells, as without a cluster.
    """

    facts: NodeFacts
    pool: str = ""
    unschedulable: bool = False
    tuned_profile: str | None = None

    @property
    def name(self) -> str:
        """The node's name."""
        return self.facts.name


@dataclass(frozen=True, slots=True)
class TunedProfile:
    """A tuning profile: its text, '' when no Tuned defines it, and the rule that recommends it at the best priority.

    `operand` is that rule's, and `corrects_drift` says whether its Tuned has changed values set back.
    """

    text: str = ""
    priority: int | None = None
    operand: Mapping[str, Any] = field(default_factory=dict)
    corrects_drift: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """One pod in one cluster.

    `subject` is who creates the pod, for texts; `usable` answers for whom a constraint is usable. `validate` is the API
    server's field validation of a pod, `safe` the sysctls every constraint allows. `definitions` are the
    NetworkAttachmentDefinitions that are known, `interface_lines` the allowlist that the tuning plugin's ConfigMap
    holds now; `has_tuned` says whether the cluster serves Tuned objects, and `tuned_profiles` what they say of each
    tuning profile. `cluster` is all nodes with what they offer and the pods on them, None when nobody tells.
    """

    pod: Object
    namespace: Namespace
    platform: Platform = Platform.OPENSHIFT
    security: PodSecurity = field(default_factory=lambda: pod_security(Platform.OPENSHIFT))
    subject: str = ""
    constraints: tuple[Constraint, ...] = ()
    usable: Callable[[Constraint], str] = lambda _: FOR_USER
    safe: frozenset[str] = frozenset()
    nodes: tuple[Node, ...] = ()
    pools: Mapping[str, Pool] = field(default_factory=dict)
    definitions: tuple[Object, ...] = ()
    interface_lines: tuple[str, ...] | None = None
    has_tuned: bool = True
    tuned_profiles: Mapping[str, TunedProfile] = field(default_factory=dict)
    cluster: Cluster | None = None
    validate: Callable[[Object], list[str]] = lambda _: []

    @property
    def spec(self) -> Object:
        """The pod's spec."""
        spec: Object = self.pod.get("spec") or {}
        return spec

    @property
    def sysctls(self) -> list[tuple[str, str]]:
        """Names as written, and values, in order."""
        listed = (self.spec.get("securityContext") or {}).get("sysctls") or ()
        return [(entry.get("name") or "", entry.get("value") or "") for entry in listed]

    @property
    def pod_name(self) -> str:
        """The pod's name, or its generateName prefix."""
        metadata = self.pod.get("metadata") or {}
        return metadata.get("name") or metadata.get("generateName") or ""

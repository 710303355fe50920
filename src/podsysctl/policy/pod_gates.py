"""What one node does with a pod as a whole: admission, its volumes, its user namespace, its containers' users.

In the order in which the pod meets them. Sysctls are judged apart, in `policy/node_gates.py`. What depends on things
that no API object tells is unknown, and said to be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from podsysctl.policy import admission, agent_limits, non_root
from podsysctl.policy.admission.verdict import NodeView
from podsysctl.policy.kubelet import Allowlist
from podsysctl.policy.node_facts import NodeFacts
from podsysctl.policy.scheduling.nodeinfo import NodeInfo
from podsysctl.policy.scheduling.podinfo import PodInfo
from podsysctl.policy.verdict import Gate, Outcome, Verdict

_NO_LIST = Allowlist({}, ())
"""Stands for the list of sysctls, which admission is not asked about here."""
_LOCAL_VOLUMES = frozenset({"hostPath", "emptyDir", "image", *agent_limits.VOLUMES_WITH_FILES})
"""Volumes that every node can make."""


def evaluate(pod: PodInfo, facts: NodeFacts, node: NodeInfo, *, is_chosen: bool) -> list[Verdict]:
    """Everything that stands in the pod's way on a node, and everything that is not known; empty when it may start.

    `is_chosen` says whether the pod may come to the node at all: else admission would only say that again.
    """
    out = list(_limits(pod.spec, facts))
    if is_chosen:
        view = NodeView(_NO_LIST, node.name, node.labels, node.taints, node.allocatable, node.pods.values())
        rejection = admission.admit(pod, view)
        if rejection is not None:
            out.insert(0, _verdict(Outcome.REFUSED, rejection.message, rejection.reason))
    return out


def _limits(spec: Mapping[str, Any], facts: NodeFacts) -> Iterator[Verdict]:
    for volume in spec.get("volumes") or ():
        problem = agent_limits.volume_problem(volume) if facts.is_agent else None
        if problem is not None:
            text = f'MountVolume.SetUp failed for volume "{volume.get("name")}" : {problem}'
            yield _verdict(Outcome.REFUSED, text, "FailedMount")
        elif not facts.is_simulated and not _LOCAL_VOLUMES & volume.keys() and len(volume) > 1:
            yield _verdict(Outcome.UNKNOWN, f"whether volume {volume.get('name')} can be mounted", "volumes")
    problem = agent_limits.user_namespace_problem(spec)
    if problem is not None and facts.user_namespaces is False:
        yield _verdict(Outcome.REFUSED, problem, "FailedCreatePodSandBox")
    elif problem is not None and facts.user_namespaces is None:
        yield _verdict(Outcome.UNKNOWN, "whether the node's runtime supports user namespaces", "hostUsers")
    if not facts.is_simulated:
        yield from _users(spec)


def _users(spec: Mapping[str, Any]) -> Iterator[Verdict]:
    shared = spec.get("securityContext") or {}
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        own, name = container.get("securityContext") or {}, container.get("name")
        problem = non_root.find_problem(shared, own, None, "")
        if problem is not None:
            yield _verdict(Outcome.REFUSED, f"{problem} (container: {name})", "CreateContainerConfigError")
        elif non_root.needs_image(shared, own):
            yield _verdict(Outcome.UNKNOWN, f"whether the image of container {name} runs as root", "runAsNonRoot")


def _verdict(outcome: Outcome, reason: str, rule: str) -> Verdict:
    return Verdict(Gate.KUBELET, outcome, "", reason, rule)

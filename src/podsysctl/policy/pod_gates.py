"""What one node does with a pod as a whole: admission, volumes, devices, user namespace, its containers.

In the order in which the pod meets them. Sysctls are judged apart, in `policy/node_gates.py`. What depends on things
that no API object tells is unknown, and said to be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from podsysctl.policy import admission, agent_limits, app_armor, non_root, recursive_read_only
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
    out = [*_unknown(pod, facts), *_limits(pod.spec, facts)]
    if is_chosen:
        rejection = admission.admit(pod, _view(facts, node))
        if rejection is not None:
            out.insert(0, _verdict(Outcome.REFUSED, rejection.message, rejection.reason))
    return out


def _view(facts: NodeFacts, node: NodeInfo) -> NodeView:
    """The node as its own agent sees it; what it does not tell does not refuse, and is said to be unknown elsewhere."""
    return NodeView(
        allowlist=_NO_LIST,
        node_name=node.name,
        labels=node.labels,
        taints=node.taints,
        allocatable=node.allocatable,
        active_pods=node.pods.values(),
        has_app_armor=facts.app_armor is not False,
        has_groups_policy=facts.groups_policy is not False,
    )


def _unknown(pod: PodInfo, facts: NodeFacts) -> Iterator[Verdict]:
    """What admission would ask and the node does not tell."""
    if facts.app_armor is None and app_armor.is_asked_for(pod.pod):
        yield _verdict(Outcome.UNKNOWN, "whether the node's host has AppArmor", "appArmorProfile")
    policy = (pod.spec.get("securityContext") or {}).get("supplementalGroupsPolicy")
    if facts.groups_policy is None and policy == "Strict":
        text = "whether the node's runtime supports supplementalGroupsPolicy"
        yield _verdict(Outcome.UNKNOWN, text, "supplementalGroupsPolicy")


def _limits(spec: Mapping[str, Any], facts: NodeFacts) -> Iterator[Verdict]:
    for volume in spec.get("volumes") or ():
        problem = agent_limits.volume_problem(volume) if facts.is_agent else None
        if problem is not None:
            text = f'MountVolume.SetUp failed for volume "{volume.get("name")}" : {problem}'
            yield _verdict(Outcome.REFUSED, text, "FailedMount")
        elif not facts.is_simulated and not _LOCAL_VOLUMES & volume.keys() and len(volume) > 1:
            yield _verdict(Outcome.UNKNOWN, f"whether volume {volume.get('name')} can be mounted", "volumes")
    yield from _devices(spec, facts)
    problem = agent_limits.user_namespace_problem(spec)
    if problem is not None and facts.user_namespaces is False:
        yield _verdict(Outcome.REFUSED, problem, "FailedCreatePodSandBox")
    elif problem is not None and facts.user_namespaces is None:
        yield _verdict(Outcome.UNKNOWN, "whether the node's runtime supports user namespaces", "hostUsers")
    if not facts.is_simulated:
        yield from _users(spec)
        yield from _mounts(spec, facts)


def _devices(spec: Mapping[str, Any], facts: NodeFacts) -> Iterator[Verdict]:
    problem = agent_limits.claims_problem(spec)
    if problem is not None and facts.is_agent:
        text = f"Failed to prepare dynamic resources: {problem}"
        yield _verdict(Outcome.REFUSED, text, "FailedPrepareDynamicResources")
    elif problem is not None and not facts.is_simulated:
        yield _verdict(Outcome.UNKNOWN, "whether the pod gets the devices that it claims", "resourceClaims")


def _mounts(spec: Mapping[str, Any], facts: NodeFacts) -> Iterator[Verdict]:
    for container in _containers(spec):
        for mount in container.get("volumeMounts") or ():
            # Our agent's runtime says nothing when it supports nothing.
            problem = recursive_read_only.find_problem(mount, facts.recursive_read_only is True)
            if problem is None:
                continue
            if facts.recursive_read_only is None and not facts.is_agent:
                text = "whether the node's runtime supports recursive read-only mounts"
                yield _verdict(Outcome.UNKNOWN, text, "recursiveReadOnly")
            else:
                text = f"failed to resolve recursive read-only mode: {problem} (container: {container.get('name')})"
                yield _verdict(Outcome.REFUSED, text, "CreateContainerConfigError")


def _containers(spec: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    return (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))


def _users(spec: Mapping[str, Any]) -> Iterator[Verdict]:
    shared = spec.get("securityContext") or {}
    for container in _containers(spec):
        own, name = container.get("securityContext") or {}, container.get("name")
        if non_root.needs_image(shared, own):
            yield _verdict(Outcome.UNKNOWN, f"whether the image of container {name} runs as root", "runAsNonRoot")
        elif problem := non_root.find_problem(shared, own, None, ""):
            yield _verdict(Outcome.REFUSED, f"{problem} (container: {name})", "CreateContainerConfigError")


def _verdict(outcome: Outcome, reason: str, rule: str) -> Verdict:
    return Verdict(Gate.KUBELET, outcome, "", reason, rule)

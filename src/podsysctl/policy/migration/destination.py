"""Where a value that a privileged container writes belongs: into the pod, onto the node, or nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from podsysctl.base.errors import PodsysctlError
from podsysctl.base.versions import KernelVersion
from podsysctl.policy import kubelet
from podsysctl.policy.kubelet import KernelNamespace
from podsysctl.policy.lint import knowledge
from podsysctl.policy.lint.context import Target
from podsysctl.policy.migration.effects import Write
from podsysctl.sysctls.catalogue import Namespace, Parameter
from podsysctl.sysctls.kernel_facts import InPod
from podsysctl.sysctls.value import parse_value, values_equal

MORE_IS_ENOUGH = frozenset(
    {"vm.max_map_count", "net.core.somaxconn", "net.core.netdev_max_backlog", "net.core.rmem_max", "net.core.wmem_max"}
    | {"net.ipv4.tcp_max_syn_backlog", "fs.file-max", "fs.nr_open", "fs.aio-max-nr", "fs.inotify.max_user_watches"}
    | {"fs.inotify.max_user_instances", "fs.inotify.max_queued_events", "kernel.pid_max", "kernel.threads-max"}
    | {"kernel.shmmax", "kernel.shmall", "kernel.shmmni", "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni"}
)
"""Upper bounds of the kernel, of which nobody minds a greater one: programs ask for them as minima."""

_DEFAULT_SINCE = {"net.core.somaxconn": KernelVersion(5, 4)}
"""Since when a default is the catalogue's; others have had it for as long as anybody runs pods."""


class Place(StrEnum):
    """Where a value goes."""

    POD = "pod"
    NODE = "node"
    NOT_NEEDED = "not-needed"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Destination:
    """`name` is dotted. `allow` tells that a node's kubelet must allow it; `why` is for people."""

    name: str
    value: str
    guard: str
    place: Place
    why: str
    allow: bool = False


@dataclass(frozen=True, slots=True)
class Nodes:
    """What is known of the nodes: the target of `check`, and the values that a node was found with."""

    target: Target = field(default_factory=Target)
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The pod around a container. `lasts` when the pod is there for its own work, not just to set values."""

    host_network: bool = False
    host_ipc: bool = False
    lasts: bool = True


def decide(write: Write, around: Surroundings, nodes: Nodes) -> Destination:
    """Where one value belongs."""

    def put(place: Place, why: str, *, allow: bool = False, guard: str = "") -> Destination:
        return Destination(dotted, write.value, write.guard or guard, place, why, allow)

    parsed = knowledge.parse(write.name)
    dotted = parsed.dotted if parsed is not None else write.name
    if parsed is None:
        return put(Place.UNDECIDED, "it is no name of a kernel parameter")
    row = knowledge.row(dotted)
    if row is None:
        return put(Place.UNDECIDED, "the catalogue does not know it, so nobody can say whose it is")
    problem = _problem(row, dotted, write.value)
    if problem:
        return put(Place.UNDECIDED, problem)
    owner = _owner(row, dotted, nodes.target)
    by_rule = kubelet.namespace_of(dotted)
    of_host = (owner is Namespace.NET and (around.host_network or write.host_net)) or (
        owner is Namespace.IPC and (around.host_ipc or write.host_ipc)
    )
    if owner in (Namespace.NODE, Namespace.PID) or of_host:
        why = "the pod shares the node's namespace" if of_host else "it has one value for the whole node"
        return _on_node(put, write, dotted, row, nodes, why)
    if owner not in (Namespace.NET, Namespace.IPC) or by_rule is KernelNamespace.UNKNOWN:
        return put(Place.UNDECIDED, f"it belongs to the {owner} namespace, for which pods have no sysctls")
    if not around.lasts:
        text = f"it is written in the {owner} namespace of a pod that does nothing else: nobody sees it"
        return put(Place.NOT_NEEDED, text)
    if parsed.is_interface_specific and not {"all", "default"} & set(dotted.split(".")):
        text = "it belongs to an interface, which is not there yet when a pod's sysctls are set"
        return put(Place.UNDECIDED, f"{text}: give it to the tuning plugin, or to the pod's interface annotation")
    return _in_pod(put, write, dotted, row, nodes.target)


def _problem(row: Parameter, dotted: str, value: str) -> str:
    try:
        parse_value(row.spec, value, name=dotted)
    except PodsysctlError as error:
        return error.message
    return ""


def _owner(row: Parameter, dotted: str, target: Target) -> Namespace:
    """Whose the value is: as measured, else by the catalogue and the kernel's version."""
    fact = target.facts.find(dotted) if target.facts is not None else None
    if fact is not None and fact.in_pod is not InPod.HIDDEN:
        return fact.namespace if fact.in_pod in (InPod.OWN, InPod.OWN_READ_ONLY) else Namespace.NODE
    since = row.namespaced_since
    if since is not None and target.kernel is not None and target.kernel < since:
        return Namespace.NODE
    return row.namespace


class _Put(Protocol):
    """What makes the answer, given its place and reason."""

    def __call__(self, place: Place, why: str, *, allow: bool = False, guard: str = "") -> Destination: ...


def _on_node(put: _Put, write: Write, dotted: str, row: Parameter, nodes: Nodes, why: str) -> Destination:
    present = nodes.values.get(dotted)
    if present is not None and is_satisfied(row, dotted, write, present):
        return put(Place.NOT_NEEDED, f"the node has {present} already")
    if present is None and row.default and is_satisfied(row, dotted, write, row.default):
        why += f"; the kernel's usual value is {row.default}, so the node may have it already"
    if not write.guard and dotted in MORE_IS_ENOUGH and write.value.isdigit():
        return put(Place.NODE, f"{why}; as a minimum, so that a greater value stays", guard=">")
    return put(Place.NODE, why)


def _in_pod(put: _Put, write: Write, dotted: str, row: Parameter, target: Target) -> Destination:
    """A value in the pod's own namespace, which starts with the kernel's default, whatever the node has."""
    if row.default and is_satisfied(row, dotted, write, row.default):
        since = _DEFAULT_SINCE.get(dotted)
        if target.kernel is not None and (since is None or target.kernel >= since):
            return put(Place.NOT_NEEDED, f"each pod starts with {row.default}")
    if write.guard:
        return put(Place.UNDECIDED, "it is set only where that changes the kernel's default, which --kernel would tell")
    if dotted in knowledge.safe_names(target.cluster_minor, target.kernel):
        return put(Place.POD, f"every pod may set it on Kubernetes 1.{target.cluster_minor}")
    return put(Place.POD, "the pod can have its own value where a node's kubelet allows it", allow=True)


def is_satisfied(row: Parameter, dotted: str, write: Write, present: str) -> bool:
    """Whether a present value makes writing it needless."""
    if values_equal(row.spec, present, write.value):
        return True
    try:
        has, wanted = int(present), int(write.value)
    except ValueError:
        return False
    if write.guard == "<":
        return has <= wanted
    return has >= wanted and (write.guard == ">" or dotted in MORE_IS_ENOUGH)

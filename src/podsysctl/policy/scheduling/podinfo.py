"""What scheduling needs to know of one pod, worked out once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from podsysctl.objects import keptjson, resources
from podsysctl.objects.quantity import NANO, Quantity, parse_quantity
from podsysctl.policy.scheduling import terms

Object = dict[str, Any]
Port = tuple[str, str, int]
"""Host address, protocol and port."""

DEFAULT_MILLI_CPU = 100
DEFAULT_MEMORY_BYTES = 200 * 1024 * 1024
"""What a container without requests counts for in scores (pkg/scheduler/util/pod_resources.go)."""

ANY_ADDRESS = "0.0.0.0"
DEFAULT_SCHEDULER = "default-scheduler"


@dataclass(frozen=True, eq=False)
class PodInfo:
    """A pod with what filters and scores ask of it."""

    pod: Object

    @property
    def key(self) -> str:
        """`namespace/name`."""
        metadata = self.pod["metadata"]
        return f"{metadata['namespace']}/{metadata['name']}"

    @property
    def uid(self) -> str:
        """The pod's uid."""
        return str(self.pod["metadata"]["uid"])

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return str(self.pod["metadata"].get("namespace") or "")

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return self.pod["metadata"].get("labels") or {}

    @property
    def is_going(self) -> bool:
        """Whether its deletion was asked for."""
        return bool(self.pod["metadata"].get("deletionTimestamp"))

    @property
    def spec(self) -> Mapping[str, Any]:
        """The pod's spec."""
        spec: Mapping[str, Any] = self.pod["spec"]
        return spec

    @property
    def priority(self) -> int:
        """Its priority; higher goes first."""
        return int(self.spec.get("priority") or 0)

    @cached_property
    def placement(self) -> bytes:
        """All of it that is compared with a Node object alone; the same for the pods of one template."""
        spec = self.spec
        return keptjson.dumps([spec.get(name) for name in ("nodeName", "nodeSelector", "affinity", "tolerations")])

    @cached_property
    def requests(self) -> dict[str, int]:
        """Requests by resource: millicores of cpu, whole units of all others."""
        amounts = resources.pod_sum(self.spec, "requests")
        pod_level = (self.spec.get("resources") or {}).get("requests") or {}
        out = {name: _whole(name, quantity) for name, quantity in amounts.items()}
        for name, value in pod_level.items():
            out[name] = _whole(name, parse_quantity(value))
        for name, value in (self.spec.get("overhead") or {}).items():
            out[name] = out.get(name, 0) + _whole(name, parse_quantity(value))
        return {name: amount for name, amount in out.items() if amount}

    @cached_property
    def scored(self) -> tuple[int, int]:
        """Millicores and bytes that it counts for in scores, where no request is not nothing."""
        containers = len(self.spec.get("containers") or ())
        cpu = self.requests.get("cpu", 0) or containers * DEFAULT_MILLI_CPU
        memory = self.requests.get("memory", 0) or containers * DEFAULT_MEMORY_BYTES
        return cpu, memory

    @cached_property
    def ports(self) -> frozenset[Port]:
        """Host ports that it wants."""
        out: set[Port] = set()
        holders = [c for c in self.spec.get("containers") or () if c.get("ports")]
        for container in self.spec.get("initContainers") or ():
            if container.get("restartPolicy") == "Always":
                holders.append(container)
        for container in holders:
            for port in container.get("ports") or ():
                if port.get("hostPort"):
                    address = port.get("hostIP") or ANY_ADDRESS
                    out.add((address, port.get("protocol") or "TCP", int(port["hostPort"])))
        return frozenset(out)

    @property
    def repels(self) -> bool:
        """Whether it has required anti-affinity, which keeps others away as well."""
        return terms.has_required(self.spec, "podAntiAffinity")

    @property
    def minds_others(self) -> bool:
        """Whether other pods decide where it may be, and not by what they take alone."""
        spec = self.spec
        if not spec.get("affinity") and not spec.get("topologySpreadConstraints"):
            return False
        return self.repels or bool(self.hard_spread) or terms.has_required(self.spec, "podAffinity")

    @cached_property
    def affinity_terms(self) -> tuple[terms.AffinityTerm, ...]:
        """Which pods it must be with."""
        return terms.required(self.spec, "podAffinity", self.namespace)

    @cached_property
    def anti_affinity_terms(self) -> tuple[terms.AffinityTerm, ...]:
        """Which pods it must not be with."""
        return terms.required(self.spec, "podAntiAffinity", self.namespace)

    @property
    def hard_spread(self) -> list[Mapping[str, Any]]:
        """Its topologySpreadConstraints that say DoNotSchedule."""
        listed = self.spec.get("topologySpreadConstraints") or ()
        return [entry for entry in listed if entry.get("whenUnsatisfiable") == "DoNotSchedule"]

    @cached_property
    def owner(self) -> str:
        """The uid of its controller, by which its siblings are known; empty without one."""
        references = self.pod["metadata"].get("ownerReferences") or ()
        return next((str(entry.get("uid", "")) for entry in references if entry.get("controller")), "")


def _whole(name: str, quantity: Quantity) -> int:
    return int(quantity.milli if name == "cpu" else quantity.ceil(NANO))


def ports_conflict(wanted: frozenset[Port], used: Mapping[Port, int]) -> bool:
    """Whether a wanted port is taken; the address 0.0.0.0 stands for all."""
    if not wanted or not used:
        return False
    for address, protocol, number in wanted:
        if (address, protocol, number) in used or (ANY_ADDRESS, protocol, number) in used:
            return True
        if address == ANY_ADDRESS and any(entry[1:] == (protocol, number) for entry in used):
            return True
    return False

"""Whether the pod's host ports are free on the node (predicate.go, NodePorts)."""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.node import pod as pods
from podsysctl.node.gates.verdict import NodeView, Rejection

ANY_ADDRESS = "0.0.0.0"


def admit(pod: pods.Pod, view: NodeView) -> Rejection | None:
    """Refuse when another pod of the node has the same host port."""
    taken = [port for other in view.active_pods for port in host_ports(other)]
    for address, protocol, number in host_ports(pod):
        for other_address, other_protocol, other_number in taken:
            same_address = ANY_ADDRESS in (address, other_address) or address == other_address
            if same_address and (protocol, number) == (other_protocol, other_number):
                text = "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
                return Rejection("NodePorts", text)
    return None


def host_ports(pod: pods.Pod) -> Iterator[tuple[str, str, int]]:
    """Address, protocol and number of every host port."""
    for container in (*pods.containers(pod), *filter(pods.is_restartable_init, pods.init_containers(pod))):
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                yield port.get("hostIP") or ANY_ADDRESS, port.get("protocol") or "TCP", int(port["hostPort"])

"""Which settings of a plan would break the network of this node's pods, and why: they are refused, not written.

Each rule is what the kernel does to pods behind a bridge whose traffic the host routes and masquerades; a test sets up
such a network and measures it, rule by rule. What merely tunes, or breaks networks of another build only, is no danger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from podsysctl.base.errors import ValueSyntaxError
from podsysctl.sysctls.tuned.folding import fold
from podsysctl.sysctls.tuned.plan import Guard, Plan, Setting
from podsysctl.sysctls.value import parse_number


@dataclass(frozen=True, slots=True)
class PodNetworking:
    """How pods of the node are connected.

    `bridge` is the host's interface that their default network hangs on, empty when it is none; `attached` are bridges
    of additional networks; `ipv6` tells whether pods have addresses of it; `plugins` are the types in the CNI
    configuration of the default network.
    """

    bridge: str = ""
    attached: tuple[str, ...] = ()
    ipv6: bool = False
    plugins: tuple[str, ...] = ()

    @property
    def bridges(self) -> tuple[str, ...]:
        """All of them."""
        return (*((self.bridge,) if self.bridge else ()), *self.attached)


@dataclass(frozen=True, slots=True)
class Danger:
    """A setting and what it would do."""

    setting: Setting
    reason: str

    def __str__(self) -> str:
        setting = self.setting
        return f"{setting.place}: {setting.guard}{setting.value} would break pod networking: {self.reason}"


_REVERSE_PATH: Final = {
    "cilium-cni": ("1", "2"),
    "aws-cni": ("1",),
    "ovn-k8s-cni-overlay": ("1",),
}
"""CNI plugins whose packets come in where the host has no route back, and the values that drop them.

Sources: the plugins' own documents (Cilium system requirements; AWS VPC CNI README, primary interface is set to loose;
OVN-Kubernetes, management port is set to loose).
"""

Rule = Callable[[Setting, PodNetworking], str]


def dangers(plan: Plan, network: PodNetworking) -> tuple[Danger, ...]:
    """What must not be written while pods are connected like this.

    Of a name set twice, what both come to counts. A requirement counts as the value that would be chosen for it.
    """
    settings = fold(plan.sysctls)
    chosen = [
        Setting(item.name, str(item.at_most if item.at_least is None else item.at_least), Guard.NONE, item.place)
        for item in plan.requirements
    ]
    return tuple(_dangers_of([*settings, *chosen], network))


def _dangers_of(settings: Iterable[Setting], network: PodNetworking) -> Iterable[Danger]:
    for setting in settings:
        for rule in _RULES:
            reason = rule(setting, network)
            if reason:
                yield Danger(setting, reason)
                break


def _forwarding(setting: Setting, network: PodNetworking) -> str:
    """Measured: with 0, packets of pods end at the host; only pods of one bridge still reach each other."""
    if not _switches_off(setting):
        return ""
    name = setting.name
    if name.dotted in ("net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding"):
        return "the host no longer forwards IPv4, so that pods reach neither other nodes nor anything outside"
    if _interface(setting, 4, "forwarding") in network.bridges:
        return f"the host no longer forwards what pods send through {name.segments[3]}"
    if name.dotted == "net.ipv4.conf.default.forwarding":
        return "every bridge made from now on would not forward what pods send through it"
    if name.dotted == "net.ipv6.conf.all.forwarding" and network.ipv6:
        return "the host no longer forwards IPv6, so that pods reach neither other nodes nor anything outside by it"
    return ""


def _ipv6_switched_off(setting: Setting, network: PodNetworking) -> str:
    """Measured: the bridge loses its address, which is the pods' gateway."""
    where = _interface(setting, 6, "disable_ipv6")
    if not network.ipv6 or not where or _number(setting) == 0:
        return ""
    if where in ("all", *network.bridges):
        return "the pods' gateway loses its IPv6 address"
    if where == "default":
        return "every bridge made from now on would have no IPv6 address, which is the pods' gateway"
    return ""


def _reverse_path(setting: Setting, network: PodNetworking) -> str:
    """Measured: with one bridge, strict filtering (1) harms nothing. With a second network, answers of a pod leave by
    its default route, which may be the second bridge, with the first one's address: strict filtering drops them."""
    where = _interface(setting, 4, "rp_filter")
    number = _number(setting)
    if not where or number is None:
        return ""
    for plugin in network.plugins:
        if str(number) in _REVERSE_PATH.get(plugin, ()) and where in ("all", "default"):
            return f"packets of {plugin} come in on interfaces that the host has no route back through, and are dropped"
    if number == 1 and network.attached and where in ("all", "default", *network.attached):
        return (
            f"pods are also on {', '.join(network.attached)}: answers that leave by another network than the question "
            "came in are dropped by the strict filter; 2 (loose) keeps them"
        )
    return ""


def _bridge_filter(setting: Setting, network: PodNetworking) -> str:
    """Measured: a pod's connection to a Service whose pod is on the same bridge gets no usable answer."""
    versions = {"bridge-nf-call-iptables": True, "bridge-nf-call-ip6tables": network.ipv6}
    if setting.name.segments[:2] != ("net", "bridge") or not network.bridge or not _switches_off(setting):
        return ""
    if not versions.get(setting.name.segments[-1], False):
        return ""
    return (
        "answers between pods of one bridge pass the firewall by, so that connections to Services and host ports, "
        "whose addresses it translates, are never established"
    )


def _neighbours(setting: Setting, network: PodNetworking) -> str:
    """Measured: arp_ignore 8 leaves pods without their gateway; without solicitations the host finds no pod."""
    where = _interface(setting, 4, "arp_ignore")
    if where in ("all", *network.bridges) and where and _number(setting) == 8:
        return "the host no longer answers who the pods' gateway is"
    if where == "default" and _number(setting) == 8:
        return "on every bridge made from now on the host would not answer who the pods' gateway is"
    segments = setting.name.segments
    if segments[:3] == ("net", "ipv4", "neigh") and segments[-1] == "mcast_solicit" and _switches_off(setting):
        if segments[3] == "default":
            return "on every bridge made from now on the host would not ask for pods' hardware addresses"
        if segments[3] in network.bridges:
            return "the host no longer asks for pods' hardware addresses, and so reaches none"
    return ""


def _namespaces(setting: Setting, _: PodNetworking) -> str:
    if setting.name.dotted == "user.max_net_namespaces" and _switches_off(setting):
        return "no pod gets a network of its own any more, and so none starts"
    return ""


_RULES: Final[tuple[Rule, ...]] = (
    _forwarding, _ipv6_switched_off, _reverse_path, _bridge_filter, _neighbours, _namespaces,
)  # fmt: skip


def _switches_off(setting: Setting) -> bool:
    """Does it make a parameter 0 that may not be? A `>` never does."""
    return _number(setting) == 0 and setting.guard is not Guard.RAISE


def _number(setting: Setting) -> int | None:
    try:
        return parse_number(setting.value.strip())
    except ValueSyntaxError:
        return None


def _interface(setting: Setting, version: int, leaf: str) -> str:
    """The interface part of `net.ipvN.conf.<interface>.<leaf>`; empty for every other name."""
    segments = setting.name.segments
    if segments[:3] == ("net", f"ipv{version}", "conf") and len(segments) == 5 and segments[4] == leaf:
        return segments[3]
    return ""

"""What one node does with a pod's sysctls: kubelet, runtime, kernel and interface gates together.

Pure: everything is known from the Node object (`policy/node_facts.py`) and the pod. Used by `explain`, and by the
scheduler to prefer nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from podsysctl.base.errors import UsageError
from podsysctl.policy import interface, kernel, kubelet, network_plugin, runtime
from podsysctl.policy.node_facts import NodeFacts
from podsysctl.policy.runtime import SandboxNamespaces
from podsysctl.policy.verdict import Gate, Outcome, Verdict

_STOPPING = frozenset({Outcome.REFUSED, Outcome.IGNORED})


class SysctlReport(NamedTuple):
    """One sysctl on one node: what each gate says, in order, and what the pod would read."""

    name: str
    wanted: str
    verdicts: tuple[Verdict, ...]
    effective: str = ""

    @property
    def accepted(self) -> bool | None:
        """Whether the pod gets the value; None when a gate is unknown."""
        outcomes = {verdict.outcome for verdict in self.verdicts}
        if outcomes & _STOPPING:
            return False
        return None if Outcome.UNKNOWN in outcomes else True


def evaluate(pod: Mapping[str, Any], node: NodeFacts) -> list[SysctlReport]:
    """Every sysctl of the pod, and every default the node adds, in the order in which the node looks."""
    own = SandboxNamespaces.of_pod(pod)
    judge = _kubelet(pod, node)
    declared = _declared(pod)
    out = []
    for name, value in kubelet.sandbox_sysctls(pod, node.defaults).items():
        verdicts = [judge(name)] if name in declared else []
        of_runtime = runtime.evaluate(name, own, node.runtime)
        verdicts.append(of_runtime)
        effective = ""
        if of_runtime.outcome is Outcome.ALLOWED:
            answer = kernel.evaluate(name, value, node.kernel, own, node.runtime)
            verdicts.append(answer.verdict)
            effective = answer.effective
        stopped = not _STOPPING.isdisjoint([v.outcome for v in verdicts])
        out.append(SysctlReport(name, value, tuple(verdicts), "" if stopped else effective))
    return out


def _declared(pod: Mapping[str, Any]) -> frozenset[str]:
    sysctls = ((pod.get("spec") or {}).get("securityContext") or {}).get("sysctls") or ()
    return frozenset(kubelet.normalize_name(entry.get("name") or "") for entry in sysctls)


def _kubelet(pod: Mapping[str, Any], node: NodeFacts) -> Callable[[str], Verdict]:
    """The kubelet's gate for the sysctls of one pod."""
    allowlist = node.allowlist()
    if allowlist is None:
        reason = f"node {node.name} does not publish its kubelet's allowlist"
        return lambda name: Verdict(Gate.KUBELET, Outcome.UNKNOWN, name, reason)
    spec = pod.get("spec") or {}
    host_network, host_ipc = bool(spec.get("hostNetwork")), bool(spec.get("hostIPC"))
    safe = kubelet.safe_names(node.kernel_version, node.kubelet_minor)

    def judge(name: str) -> Verdict:
        entry = allowlist.find(name)
        problem = allowlist.problem(name, entry, host_network=host_network, host_ipc=host_ipc)
        if entry is None or problem is not None:
            rule = "host namespace" if entry else "no entry of the safe list or allowedUnsafeSysctls matches"
            return Verdict(Gate.KUBELET, Outcome.REFUSED, name, f"forbidden sysctl: {problem}", rule)
        pattern = entry[0]
        where = "safe list" if pattern in safe else "allowedUnsafeSysctls"
        return Verdict(Gate.KUBELET, Outcome.ALLOWED, name, rule=f"{where}: {pattern}")

    return judge


def evaluate_interfaces(
    pod: Mapping[str, Any], node: NodeFacts, definitions: Iterable[Mapping[str, Any]]
) -> list[Verdict]:
    """What the tuning plugin says to the pod's networks and interfaces, given the definitions that are known."""
    metadata = pod.get("metadata") or {}
    annotation = (metadata.get("annotations") or {}).get(interface.NETWORKS) or ""
    namespace = metadata.get("namespace") or "default"
    known = {}
    for definition in definitions:
        of = definition.get("metadata") or {}
        known[str(of.get("namespace") or namespace), str(of.get("name"))] = definition
    out: list[Verdict] = []
    allowed = node.allowlist()
    try:
        for wanted in interface.parse_networks(annotation, namespace):
            found = known.get((wanted.namespace, wanted.name))
            if found is None:
                text = f"network-attachment-definition ({wanted.name}) in namespace ({wanted.namespace}) is not known"
                out.append(Verdict(Gate.INTERFACE, Outcome.UNKNOWN, "", text))
                continue
            arguments = {"type": network_plugin.TUNING_TYPES[0], "args": {"cni": dict(wanted.arguments)}}
            problem = network_plugin.find_problem(arguments)
            if problem:
                raise UsageError(f"cni-args of {wanted.name}: {problem}")
            for key in {**interface.tuning_sysctls(found), **network_plugin.sysctls(arguments)}:
                out.append(interface.evaluate_bypass(key, wanted.interface, node.interfaces, allowed))
        own = (metadata.get("annotations") or {}).get(interface.INTERFACE_SYSCTLS)
        for name, values in interface.parse_interface_sysctls(own).items() if own else ():
            out += [interface.evaluate_own(key, name, node.interfaces, allowed) for key in values]
    except UsageError as error:
        out.append(Verdict(Gate.INTERFACE, Outcome.REFUSED, "", error.message, interface.NETWORKS))
    return out

"""What one node does with a pod's sysctls: kubelet, runtime, kernel and interface gates together.

Pure: everything is known from the Node object (`policy/node_facts.py`) and the pod. Used by `explain`, and by the
scheduler to prefer nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from podsysctl.base.errors import UsageError
from podsysctl.policy import interface, kernel, kubelet, runtime
from podsysctl.policy.node_facts import NodeFacts
from podsysctl.policy.runtime import SandboxNamespaces
from podsysctl.policy.verdict import Gate, Outcome, Verdict


@dataclass(frozen=True, slots=True)
class SysctlReport:
    """One sysctl on one node: what each gate says, in order, and what the pod would read."""

    name: str
    wanted: str
    verdicts: tuple[Verdict, ...]
    effective: str = ""

    @property
    def accepted(self) -> bool | None:
        """Whether the pod gets the value; None when a gate is unknown."""
        outcomes = {verdict.outcome for verdict in self.verdicts}
        if outcomes & {Outcome.REFUSED, Outcome.IGNORED}:
            return False
        return None if Outcome.UNKNOWN in outcomes else True


def evaluate(pod: Mapping[str, Any], node: NodeFacts) -> list[SysctlReport]:
    """Every sysctl of the pod, and every default the node adds, in the order in which the node looks."""
    own = SandboxNamespaces.of_pod(pod)
    allowlist = node.allowlist()
    declared = _declared(pod)
    out = []
    for name, value in kubelet.sandbox_sysctls(pod, node.defaults).items():
        verdicts = [_kubelet(name, pod, node, allowlist)] if name in declared else []
        of_runtime = runtime.evaluate(name, own, node.runtime)
        verdicts.append(of_runtime)
        effective = ""
        if of_runtime.outcome is Outcome.ALLOWED:
            answer = kernel.evaluate(name, value, node.kernel, own, node.runtime)
            verdicts.append(answer.verdict)
            effective = answer.effective
        stopped = any(v.outcome in (Outcome.REFUSED, Outcome.IGNORED) for v in verdicts)
        out.append(SysctlReport(name, value, tuple(verdicts), "" if stopped else effective))
    return out


def _declared(pod: Mapping[str, Any]) -> frozenset[str]:
    sysctls = ((pod.get("spec") or {}).get("securityContext") or {}).get("sysctls") or ()
    return frozenset(kubelet.normalize_name(entry.get("name") or "") for entry in sysctls)


def _kubelet(name: str, pod: Mapping[str, Any], node: NodeFacts, allowlist: kubelet.Allowlist | None) -> Verdict:
    if allowlist is None:
        reason = f"node {node.name} does not publish its kubelet's allowlist"
        return Verdict(Gate.KUBELET, Outcome.UNKNOWN, name, reason)
    spec = pod.get("spec") or {}
    problem = allowlist.check_name(name, host_network=bool(spec.get("hostNetwork")), host_ipc=bool(spec.get("hostIPC")))
    entry = allowlist.find(name)
    if problem is not None:
        rule = "host namespace" if entry else "no entry of the safe list or allowedUnsafeSysctls matches"
        return Verdict(Gate.KUBELET, Outcome.REFUSED, name, f"forbidden sysctl: {problem}", rule)
    safe = entry is not None and entry[0] in kubelet.safe_names(node.kernel_version, node.kubelet_minor)
    where = "safe list" if safe else "allowedUnsafeSysctls"
    return Verdict(Gate.KUBELET, Outcome.ALLOWED, name, rule=f"{where}: {entry[0] if entry else name}")


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
        known[of.get("namespace") or namespace, of.get("name")] = definition
    out: list[Verdict] = []
    allowed = node.allowlist()
    try:
        for wanted in interface.parse_networks(annotation, namespace):
            found = known.get((wanted.namespace, wanted.name))
            if found is None:
                text = f"network-attachment-definition ({wanted.name}) in namespace ({wanted.namespace}) is not known"
                out.append(Verdict(Gate.INTERFACE, Outcome.UNKNOWN, "", text))
                continue
            arguments = (wanted.arguments.get("sysctl") or {}) if isinstance(wanted.arguments, Mapping) else {}
            for key in {**interface.tuning_sysctls(found), **arguments}:
                out.append(interface.evaluate_bypass(key, wanted.interface, node.interfaces, allowed))
        own = (metadata.get("annotations") or {}).get(interface.INTERFACE_SYSCTLS)
        for name, values in interface.parse_interface_sysctls(own).items() if own else ():
            out += [interface.evaluate_bypass(key, name, node.interfaces, allowed) for key in values]
    except UsageError as error:
        out.append(Verdict(Gate.INTERFACE, Outcome.REFUSED, "", error.message, interface.NETWORKS))
    return out

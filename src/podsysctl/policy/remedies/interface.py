"""A sysctl of an additional interface: a NetworkAttachmentDefinition sets it once the interface exists."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from podsysctl.base.errors import NameSyntaxError
from podsysctl.policy import interface as gate
from podsysctl.policy.remedy import Remedy, with_pod, without_sysctls
from podsysctl.policy.situation import Situation
from podsysctl.policy.verdict import Gate, Outcome
from podsysctl.policy.whole import Report
from podsysctl.sysctls.name import INTERFACE_TOKEN, SysctlName, parse_name

_ALLOWLIST = ("openshift-multus", "cni-sysctl-allowlist", "allowlist.conf")


def propose(situation: Situation, report: Report) -> Remedy | None:
    """Move settings of interfaces that do not exist when the sandbox is made into a definition."""
    wanted = {name: text for name, text in situation.sysctls if _needs_definition(name, report)}
    if not wanted:
        return None
    parsed = {name: parse_name(name) for name in wanted}
    interfaces = sorted({p.interface or INTERFACE_TOKEN for p in parsed.values()})
    interface = next((name for name in interfaces if name != INTERFACE_TOKEN), "net1")
    label = f"{situation.pod_name.rstrip('-') or 'pod'}-tuning"
    keys = {parsed[name].with_interface(INTERFACE_TOKEN).dotted: text for name, text in wanted.items()}
    definition = _definition(label, situation.namespace.name, keys)
    manifests: list[Mapping[str, Any]] = [definition]
    changed = _attach(without_sysctls(situation, frozenset(wanted)), label, interface)
    opens = [f"the pod gets an additional interface {interface}, on a bridge of its node"]
    missing = _missing_lines(situation, keys)
    if missing:
        namespace, name, key = _ALLOWLIST
        lines = [*(situation.interface_lines or gate.default_allowlist()), *missing]
        manifests.append(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": name, "namespace": namespace},
                "data": {key: "\n".join(lines) + "\n"},
            }
        )
        opens.append(f"every definition on every node may set {', '.join(sorted(keys))}")
        changed = _allow(changed, tuple(lines))
    changed = replace(changed, definitions=(*changed.definitions, definition))
    title = f"Set {', '.join(sorted(keys))} through a NetworkAttachmentDefinition instead of the pod"
    return Remedy(title, changed, tuple(manifests), opens=tuple(opens))


def _needs_definition(name: str, report: Report) -> bool:
    try:
        parsed = parse_name(name)
    except NameSyntaxError:
        return False
    if parsed.interface is None:
        return False
    return parsed.is_template or _is_stopped_below(parsed, report)


def _is_stopped_below(name: SysctlName, report: Report) -> bool:
    """Whether runtime or kernel refuse it on every node: no allowlist entry of the kubelet would help."""
    reports = [s for node in report.nodes for s in node.sysctls if s.name == name.dotted]
    lower = (Gate.RUNTIME, Gate.KERNEL)
    return bool(reports) and all(
        any(v.gate in lower and v.outcome in (Outcome.REFUSED, Outcome.IGNORED) for v in r.verdicts) for r in reports
    )


def _definition(name: str, namespace: str, keys: Mapping[str, str]) -> dict[str, Any]:
    config = {
        "cniVersion": "0.4.0",
        "name": name,
        "plugins": [{"type": "bridge"}, {"type": "tuning", "sysctl": dict(keys)}],
    }
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"config": json.dumps(config, indent=2)},
    }


def _attach(situation: Situation, name: str, interface: str) -> Situation:
    def change(pod: dict[str, Any]) -> None:
        annotations = pod.setdefault("metadata", {}).setdefault("annotations", {})
        entry = name if interface == "net1" else f"{name}@{interface}"
        present = annotations.get(gate.NETWORKS) or ""
        annotations[gate.NETWORKS] = f"{present},{entry}" if present else entry

    return with_pod(situation, change)


def _missing_lines(situation: Situation, keys: Mapping[str, str]) -> list[str]:
    """Lines that the allowlist of a node needs; none when no node has one."""
    lists = [node.facts.interfaces for node in situation.nodes if node.facts.interfaces is not None]
    return [f"^{key}$" for key in sorted(keys) if any(gate.evaluate(key, "net1", lines).stops for lines in lists)]


def _allow(situation: Situation, lines: tuple[str, ...]) -> Situation:
    nodes = tuple(replace(node, facts=replace(node.facts, interfaces=lines)) for node in situation.nodes)
    return replace(situation, nodes=nodes, interface_lines=lines)

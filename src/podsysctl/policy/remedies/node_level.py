"""A sysctl that no pod can have of its own: the node is tuned instead, and the pod no longer asks for it.

Either the kernel has one value for the whole machine, or the pod shares the host's namespace and would change the host.
The new profile includes the one that the nodes have now and goes before it, so that nothing else of them changes.
Where the cluster has no Tuned objects, a privileged DaemonSet sets the value on each node.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from podsysctl.base.errors import NameSyntaxError
from podsysctl.objects import tuning
from podsysctl.policy import kubelet
from podsysctl.policy.remedy import Remedy, without_sysctls
from podsysctl.policy.situation import Situation, TunedProfile
from podsysctl.policy.verdict import Gate, Outcome
from podsysctl.policy.whole import Report
from podsysctl.sysctls import catalogue
from podsysctl.sysctls.catalogue import Namespace
from podsysctl.sysctls.kernel_facts import InPod
from podsysctl.sysctls.name import parse_name

TUNED_NAMESPACE = tuning.NAMESPACE
DAEMON_SET_NAMESPACE = "kube-system"
"""Privileged pods are admitted there on every platform."""
OPENSHIFT_NODE = "openshift-node"
"""What OpenShift gives its workers, and a node of which nothing is known probably has."""
_INCLUDE = re.compile(r"^include=(.+)$", re.MULTILINE)
IMAGE = "busybox"
PRIORITY = 20
"""Below OpenShift's own profiles, which have 30 and 40; what its documentation uses."""


def propose(situation: Situation, report: Report) -> Remedy | None:
    """Take node-level sysctls out of the pod and give them to the nodes it may run on."""
    refused = _refused_by_runtimes(report)
    wanted = {name: text for name, text in situation.sysctls if _is_node_level(name, situation, refused)}
    if not wanted:
        return None
    dotted = {kubelet.normalize_name(name): text for name, text in wanted.items()}
    changed = without_sysctls(situation, frozenset(wanted))
    label = f"{situation.pod_name.rstrip('-') or 'pod'}-sysctls"
    role = _role(situation, report)
    title = f"Set {', '.join(sorted(dotted))} on the node, not in the pod"
    opens: tuple[str, ...] = (
        f"every process and every pod in the host's namespaces of a {role or 'chosen'} node sees the new value",
    )
    if situation.has_tuned:
        base, left = _present_profile(situation, report, role, label)
        if left:
            opens = (*opens, f"nodes that have profile {', '.join(left)} now get the new one instead, without it")
        present = situation.tuned_profiles.get(base or tuning.MACHINE_DEFAULTS, TunedProfile())
        return Remedy(title, changed, (tuned(label, dotted, role, base, present),), opens=opens)
    more = "a privileged container runs on each node; a file in the nodes' /etc/sysctl.d does without it"
    return Remedy(title, changed, (daemon_set(label, dotted, role),), opens=(*opens, more))


def _present_profile(situation: Situation, report: Report, role: str, new: str) -> tuple[str, list[str]]:
    """The profile that most nodes of the role have, '' when it sets nothing, and the other nodes' profiles.

    Where that is the new one itself, since this remedy was applied before, it is what that one includes.
    """
    nodes = [entry.node for entry in report.nodes if not role or entry.node.pool == role]
    names = [OPENSHIFT_NODE if node.tuned_profile is None else node.tuned_profile for node in nodes]
    profiles = ["" if name == tuning.MACHINE_DEFAULTS else name for name in names]
    base = max(sorted(set(profiles)), key=profiles.count, default=OPENSHIFT_NODE)
    left = sorted({name for name in profiles if name not in (base, new, "")})
    if base == new:
        found = _INCLUDE.search(situation.tuned_profiles.get(new, TunedProfile()).text)
        base = found[1] if found else ""
    return base, left


def tuned(name: str, values: Mapping[str, str], role: str, base: str, present: TunedProfile) -> dict[str, Any]:
    """A Tuned object that sets values on all nodes of a role, over those of the profile `base` if there is one.

    It goes before the rule that gives nodes that profile (`present`), and has it applied in the same way.
    """
    section = "\n".join(f"{key}={value}" for key, value in sorted(values.items()))
    include = f"include={base}\n" if base else ""
    data = f"[main]\nsummary=Kernel parameters that {name} needs\n{include}\n[sysctl]\n{section}\n"
    priority = PRIORITY if present.priority is None else max(0, min(PRIORITY, present.priority - 1))
    match = [{"label": f"node-role.kubernetes.io/{role or 'worker'}"}]
    rule: dict[str, Any] = {"profile": name, "priority": priority, "match": match}
    if present.operand:
        rule["operand"] = dict(present.operand)
    metadata: dict[str, Any] = {"name": name, "namespace": TUNED_NAMESPACE}
    if present.corrects_drift:
        metadata["annotations"] = {tuning.CORRECT_DRIFT: "true"}
    return {
        "apiVersion": "tuned.openshift.io/v1",
        "kind": "Tuned",
        "metadata": metadata,
        "spec": {"profile": [{"name": name, "data": data}], "recommend": [rule]},
    }


def daemon_set(name: str, values: Mapping[str, str], role: str) -> dict[str, Any]:
    """A DaemonSet whose init container sets values on all nodes of a role, or on all, and which then only sleeps."""
    namespaces = {kubelet.namespace_of(dotted) for dotted in values}
    labels = {"app": name}
    spec: dict[str, Any] = {
        "initContainers": [
            {
                "name": "set",
                "image": IMAGE,
                "command": ["sysctl", "-w", *(f"{key}={value}" for key, value in sorted(values.items()))],
                "securityContext": {"privileged": True},
            }
        ],
        "containers": [{"name": "sleep", "image": IMAGE, "command": ["sleep", "infinity"]}],
        "terminationGracePeriodSeconds": 1,
    }
    if kubelet.KernelNamespace.NET in namespaces:
        spec["hostNetwork"] = True
    if kubelet.KernelNamespace.IPC in namespaces:
        spec["hostIPC"] = True
    if role:
        spec["nodeSelector"] = {f"node-role.kubernetes.io/{role}": ""}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": DAEMON_SET_NAMESPACE, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def _is_node_level(name: str, situation: Situation, refused: frozenset[str]) -> bool:
    """Whether a value of the pod's own is impossible, whatever anybody allows."""
    dotted = kubelet.normalize_name(name)
    spec = situation.spec
    namespace = kubelet.namespace_of(dotted)
    if namespace is kubelet.KernelNamespace.NET and spec.get("hostNetwork"):
        return True
    if namespace is kubelet.KernelNamespace.IPC and spec.get("hostIPC"):
        return True
    try:
        parsed = parse_name(dotted)
    except NameSyntaxError:
        return False
    measured = [
        fact
        for node in situation.nodes
        if node.facts.kernel and (fact := node.facts.kernel.find(parsed)) and fact.in_pod is not InPod.HIDDEN
    ]
    if measured:
        return all(f.in_pod in (InPod.NODE, InPod.ABSENT, InPod.READ_ONLY) for f in measured)
    row = catalogue.find(parsed)
    if row is not None:
        return row.namespace in (Namespace.NODE, Namespace.PID)
    return dotted in refused


def _refused_by_runtimes(report: Report) -> frozenset[str]:
    """Names that the runtime of no node writes."""
    refused = (Outcome.REFUSED, Outcome.IGNORED)
    written: set[str] = set()
    names: set[str] = set()
    for sysctl in (sysctl for node in report.nodes for sysctl in node.sysctls):
        names.add(sysctl.name)
        if not any(v.gate is Gate.RUNTIME and v.outcome in refused for v in sysctl.verdicts):
            written.add(sysctl.name)
    return frozenset(names - written)


def _role(situation: Situation, report: Report) -> str:
    """The pool of the nodes that the pod may run on; the largest when there are several."""
    names = [entry.node.pool for entry in report.nodes if entry.eligible and entry.node.pool]
    return max(sorted(set(names)), key=names.count) if names else ""

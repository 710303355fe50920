"""`podsysctl explain NAME` for a kernel parameter: everything known, without root and without a cluster.

`cli/explain.py` decides whether a word is a parameter; this part prints it. The YAML shows how to set it at the level
where it can be set: the pod, an interface of the pod, or the node.
"""

from __future__ import annotations

import argparse
import os

from podsysctl.base.errors import KernelError, UsageError
from podsysctl.base.versions import KernelVersion, parse_kernel_version
from podsysctl.cli import sysctl_output
from podsysctl.kernel import procsys
from podsysctl.sysctls import catalogue
from podsysctl.sysctls.catalogue import Access, Namespace, Parameter
from podsysctl.sysctls.name import SysctlName, interface_hint, parse_path
from podsysctl.sysctls.value import INT_MAX, INT_MIN, ValueKind

_KINDS = {
    Namespace.NET: "the network namespace: each pod has its own value",
    Namespace.IPC: "the IPC namespace: each pod has its own value",
    Namespace.UTS: "the UTS namespace: each pod has its own value, but runtimes set it themselves",
    Namespace.USER: "the user namespace: a pod has its own value only with hostUsers: false",
    Namespace.PID: "the pid namespace: each pod has its own value, but no runtime sets it",
    Namespace.NODE: "the node: one value for the whole machine",
}


def is_name(word: str) -> bool:
    """Could this word of `explain` be a kernel parameter rather than a pod or a file?"""
    if word.endswith((".json", ".yaml", ".yml")):
        return False
    top = word.removeprefix("/proc/sys/").replace("/", ".").split(".", 1)[0]
    return top in {"net", "kernel", "vm", "fs", "user", "dev", "abi", "debug", "crypto", "sunrpc"} and (
        "." in word or "/" in word
    )


def run(args: argparse.Namespace) -> int:
    """Print what is known of `args.name` (`args.output`: text or json); raise UsageError for an unknown name."""
    name = parse_path(args.name)
    row = catalogue.find(name)
    if row is None:
        raise UsageError(
            f"{name.dotted}: the catalogue does not know this parameter", hint=_suggestion(args.name, name)
        )
    if getattr(args, "output", "") == "json":
        sysctl_output.write_json(as_dict(row, name))
    else:
        sysctl_output.write(as_text(row, name))
    return 0


def as_text(row: Parameter, name: SysctlName) -> str:
    """The page for a terminal."""
    lines = [f"{row.name}", f"  {row.summary}", ""]
    lines += _facts(row)
    lines += ["", "Values", *_values(row, name)]
    lines += ["", "Gates", *_gates(row, name)]
    lines += ["", "How to set it", *_how(row, name)]
    if row.coupled:
        lines += ["", "Look at as well", *(f"  {_with_summary(other)}" for other in row.coupled)]
    if row.pitfalls:
        lines += ["", "Mind", *(f"  - {text}" for text in row.pitfalls)]
    lines += ["", f"More: {row.doc_url}", f"Source: {row.source}"]
    return "\n".join(lines) + "\n"


def as_dict(row: Parameter, name: SysctlName) -> dict[str, object]:
    """The stable JSON form."""
    safe = row.safe
    return {
        "name": name.dotted,
        "catalogueName": row.name,
        "summary": row.summary,
        "unit": row.unit,
        "type": row.spec.kind,
        "minimum": row.spec.minimum,
        "maximum": row.spec.maximum,
        "arity": row.spec.arity,
        "choices": list(row.spec.choices),
        "default": row.default,
        "access": row.access,
        "namespace": row.namespace,
        "interfaceSpecific": row.interface_specific,
        "sinceKernel": row.since_text or None,
        "removedInKernel": _version(row.removed),
        "namespacedSinceKernel": row.namespaced_since_text or None,
        "namespacedBy": row.namespaced_by,
        "inPod": row.visible,
        "needs": row.needs,
        "safe": {
            "podSecurity": str(safe.pod_security) if safe and safe.pod_security else None,
            "kubelet": str(safe.kubelet) if safe and safe.kubelet else None,
            "kubeletKernel": _version(safe.kernel) if safe else None,
            "scc": bool(safe and safe.scc),
            "tuningCNI": bool(safe and safe.tuning),
        },
        "coupled": list(row.coupled),
        "pitfalls": list(row.pitfalls),
        "meanings": dict(row.meanings),
        "documentation": row.doc_url,
        "source": row.source,
        "valueHere": _here(name),
    }


def _facts(row: Parameter) -> list[str]:
    spec = row.spec
    shape = str(spec.kind)
    if spec.kind in (ValueKind.VECTOR, ValueKind.RANGE):
        shape = f"{spec.arity} numbers" if spec.kind is ValueKind.VECTOR else "two numbers, first and last"
    if spec.choices:
        shape = "one of " + ", ".join(spec.choices)
    if (spec.minimum, spec.maximum) not in ((None, None), (INT_MIN, INT_MAX)):
        low = "" if spec.minimum is None else f"from {spec.minimum}"
        high = "" if spec.maximum is None else f"to {spec.maximum}"
        shape += f", {' '.join(filter(None, (low, high)))}"
    unit = row.unit
    if unit in ("switch", "choice"):
        shape, unit = f"{unit}, {shape}", ""
    facts = [("Value", shape), ("Unit", unit), ("Belongs to", _KINDS[row.namespace])]
    if row.interface_specific:
        facts.append(("Interface", "each interface has its own; `all` and `default` exist beside them"))
    if row.access is not Access.READ_WRITE:
        facts.append(("Access", "read-only" if row.access is Access.READ_ONLY else "write-only"))
    if row.visible:
        facts.append(("In a pod", {"node": "writable, yet the node's"}.get(row.visible, row.visible)))
    facts += [("Since Linux", row.since_text or "not known"), ("Gone since", _version(row.removed) or "")]
    if row.namespaced_since is not None:
        facts.append(("Namespaced", f"since Linux {row.namespaced_since_text} ({row.namespaced_by})"))
    facts.append(("Needs", row.needs))
    return [f"  {label + ':':14}{text}" for label, text in facts if text]


def _values(row: Parameter, name: SysctlName) -> list[str]:
    lines = [f"  {'usual:':14}{sysctl_output.one_line(row.default) or 'depends on the machine, or empty'}"]
    here = _here(name)
    lines.append(f"  {'here:':14}{'not shown to this user by this kernel' if here is None else here or '(empty)'}")
    if row.namespace in (Namespace.NET, Namespace.IPC):
        if os.geteuid() == 0:
            fresh = procsys.read_fresh(name)
            text = "absent" if fresh is None else sysctl_output.one_line(fresh) or "(empty)"
        else:
            text = f"as usual, unless the kernel copies the host's (`podsysctl sysctl try {name}=...` asks it)"
        lines.append(f"  {'fresh pod:':14}{text}")
    lines += [f"  {value + ':':14}{meaning}" for value, meaning in row.meanings]
    return lines


def _gates(row: Parameter, name: SysctlName) -> list[str]:
    safe = row.safe
    kernel = _running()
    out = []
    if safe and safe.pod_security:
        out.append(("Pod Security", f"allowed by baseline and restricted from v{safe.pod_security}"))
    else:
        out.append(("Pod Security", "refused by baseline and restricted in every version"))
    out.append(("SCC", _scc_text(row)))
    out.append(("kubelet", _kubelet_text(row)))
    if row.interface_specific:
        tuning = "in OpenShift's default allowlist" if safe and safe.tuning else "not in OpenShift's default allowlist"
        out.append(("tuning CNI", f"{tuning} of interface-specific sysctls"))
    if kernel is not None and row.namespaced_since is not None:
        verb = "has it per pod" if kernel >= row.namespaced_since else "has one value for the node"
        out.append(("this kernel", f"Linux {kernel} {verb}"))
    if name.runtime_path != name.path:
        out.append(("runtime", f"would open {name.runtime_path}: no runtime can set it by this name"))
    return [f"  {label + ':':14}{text}" for label, text in out]


def _scc_text(row: Parameter) -> str:
    safe = row.safe
    if safe and safe.scc:
        kernel = f", if the API server runs on Linux {safe.scc_kernel} or newer" if safe.scc_kernel else ""
        return f"allowed by every SecurityContextConstraints{kernel}"
    return "needs allowedUnsafeSysctls (of the shipped ones only `privileged` has it)"


def _kubelet_text(row: Parameter) -> str:
    safe = row.safe
    if safe and safe.kubelet:
        kernel = f" on Linux {safe.kernel} or newer" if safe.kernel else ""
        return f"safe from Kubernetes {safe.kubelet}{kernel}"
    if row.name.startswith("net.") or row.namespace is Namespace.IPC:
        rule = "needs allowedUnsafeSysctls of the node's kubelet"
        if row.namespace is Namespace.NODE:
            rule += ", which would let it through although no pod can set it"
        return rule
    return "refused always: not namespaced by the kubelet's rule"


def _how(row: Parameter, name: SysctlName) -> list[str]:
    value = _example(row, name)
    if row.access is not Access.READ_WRITE and row.access is not Access.WRITE_ONLY:
        return ["  It cannot be set"]
    if row.removed is not None:
        return [f"  Not at all on Linux {row.removed} and newer"]
    if row.interface_specific and row.namespace is Namespace.NET:
        return _yaml_network(row, value)
    if row.namespace in (Namespace.NET, Namespace.IPC):
        return _yaml_pod(name, value)
    return _yaml_node(name, value)


def _yaml_pod(name: SysctlName, value: str) -> list[str]:
    return [
        "  In the pod:",
        "    spec:",
        "      securityContext:",
        "        sysctls:",
        f"        - name: {name.kubelet}",
        f'          value: "{value}"',
    ]


def _yaml_network(row: Parameter, value: str) -> list[str]:
    return [
        "  For an additional network of the pod (the tuning plugin behind the one that makes the interface):",
        "    apiVersion: k8s.cni.cncf.io/v1",
        "    kind: NetworkAttachmentDefinition",
        "    metadata:",
        "      name: tuned-network",
        "    spec:",
        "      config: |",
        '        {"cniVersion": "0.4.0", "name": "tuned-network", "plugins": [',
        '          {"type": "bridge"},',
        f'          {{"type": "tuning", "sysctl": {{"{row.name}": "{value}"}}}}]}}',
    ]


def _yaml_node(name: SysctlName, value: str) -> list[str]:
    return [
        "  On the node, through the Node Tuning Operator:",
        "    apiVersion: tuned.openshift.io/v1",
        "    kind: Tuned",
        "    metadata:",
        "      name: node-sysctl",
        "      namespace: openshift-cluster-node-tuning-operator",
        "    spec:",
        "      profile:",
        "      - name: node-sysctl",
        "        data: |",
        "          [main]",
        "          summary=Node-level sysctls",
        "          include=openshift-node",
        "          [sysctl]",
        f"          {name.tuned}={value}",
        "      recommend:",
        "      - match:",
        "        - label: node-role.kubernetes.io/worker",
        "        priority: 20",
        "        profile: node-sysctl",
        "  or, without a cluster, in a file of /etc/sysctl.d:",
        f"    {name.sysctl_d} = {value}",
    ]


def _example(row: Parameter, name: SysctlName) -> str:
    """A value that may be written: the usual one, or the one here, or the smallest sensible one."""
    value = row.default or _here(name)
    if value:
        return sysctl_output.one_line(value)
    if row.spec.kind is ValueKind.INTEGER:
        return str(max(row.spec.minimum or 0, 0))
    return {ValueKind.BITMAP: "8080,9148-9150", ValueKind.MASK: "1"}.get(row.spec.kind, "VALUE")


def _with_summary(name: str) -> str:
    other = catalogue.find(name)
    return f"{name}: {other.summary}" if other is not None else name


def _here(name: SysctlName) -> str | None:
    target = name
    if name.is_template:
        target = name.with_interface("default" if name.segments[2] == "conf" else "lo")
    try:
        return sysctl_output.one_line(procsys.read(target))
    except KernelError:
        return None


def _running() -> KernelVersion | None:
    try:
        return parse_kernel_version(os.uname().release)
    except UsageError:
        return None


def _version(version: KernelVersion | None) -> str | None:
    return None if version is None else str(version)


def last_part_hint(word: str) -> str:
    """Which parameters end with this word, for somebody who wrote the last part alone; empty when none does."""
    found = [row.name for row in catalogue.every() if row.name.rpartition(".")[2] == word]
    return f"did you mean {' or '.join(found[:3])}?" if found else ""


def _suggestion(text: str, name: SysctlName) -> str:
    hint = interface_hint(text)
    if hint:
        return hint
    from podsysctl.sysctls.pattern import is_pattern

    if any(row.name.startswith(f"{name.dotted}.") for row in catalogue.every()):
        return f"that is a group of parameters: `podsysctl sysctl list -N {name.dotted}` names them"
    if is_pattern(text):
        return f"name one parameter; `podsysctl sysctl list -N '{text}'` names those that match"
    close = catalogue.suggest(name.dotted)
    return f"did you mean {' or '.join(close)}?" if close else "podsysctl sysctl list shows what this kernel has"

"""A privileged init container does nothing but set sysctls.

Pod Security's baseline level and most constraints refuse it, and what it writes to node-level parameters stays on
the node. Namespaced parameters belong into the pod's own sysctls, where no privilege is needed; node-level ones
belong into a Tuned object (or sysctl.d), set once for all pods.

`--fix` removes the container, adds the namespaced sysctls to the pod and appends a Tuned object for the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from podsysctl.policy.kubelet import KernelNamespace
from podsysctl.policy.lint import edits, shell
from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.document import Document, Kind, Path, at
from podsysctl.policy.lint.extraction import spec_path
from podsysctl.policy.lint.finding import Edit, Finding, Rule, Severity
from podsysctl.policy.lint.knowledge import is_node_level, namespace_by_rule, parse
from podsysctl.policy.remedies.node_level import PRIORITY, TUNED_NAMESPACE


def check(context: Context) -> Iterator[Finding]:
    """Init containers with privileges whose command writes sysctls."""
    for document in context.of_kind(Kind.WORKLOAD):
        base = spec_path(document)
        containers = document.get(*base, "initContainers")
        for index, container in enumerate(containers if isinstance(containers, list) else ()):
            if not isinstance(container, dict) or not _is_privileged(container):
                continue
            writes = shell.writes_of(container)
            if not writes.values:
                continue
            own, node = _split(writes.values, document.get(*base))
            text = (
                f"{document.title}: init container {container.get('name')} is privileged to set {_names(writes.values)}"
            )
            hint = _hint(own, node) if writes.only else "it does other things as well; take the sysctls out of it"
            path: Path = (*base, "initContainers", index)
            fix = _fix(document, base, path, own, node) if writes.only else ()
            subject = str(container.get("name"))
            yield find(RULE.id, RULE.severity, document, path, text, subject=subject, hint=hint, edits=fix)


def _is_privileged(container: dict[str, Any]) -> bool:
    context = container.get("securityContext")
    if not isinstance(context, dict):
        return False
    added = at(context, ("capabilities", "add"))
    return context.get("privileged") is True or (isinstance(added, list) and "SYS_ADMIN" in added)


def _split(values: tuple[tuple[str, str], ...], spec: dict[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """What the pod can have for itself, and what belongs to the node; of repeated names the last value."""
    shared = {
        space
        for space, field in ((KernelNamespace.NET, "hostNetwork"), (KernelNamespace.IPC, "hostIPC"))
        if spec.get(field) is True
    }
    own: dict[str, str] = {}
    node: dict[str, str] = {}
    for name, value in values:
        parsed = parse(name)
        dotted = parsed.dotted if parsed is not None else name
        space = namespace_by_rule(dotted)
        namespaced = space is not KernelNamespace.UNKNOWN and space not in shared and not is_node_level(dotted)
        (own if namespaced else node)[dotted] = value
    return own, node


def _names(values: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(dict.fromkeys(name for name, _ in values))


def _hint(own: dict[str, str], node: dict[str, str]) -> str:
    parts = []
    if own:
        parts.append(f"{', '.join(own)} can stand in the pod's sysctls")
    if node:
        parts.append(f"{', '.join(node)} belongs to the node: a Tuned object or sysctl.d")
    return "; ".join(parts)


def _fix(document: Document, base: Path, path: Path, own: dict[str, str], node: dict[str, str]) -> tuple[Edit, ...]:
    """Take the container out, put the values where they belong; nothing unless all of it can be done."""
    removed = edits.remove_item(document, path)
    added = _add_sysctls(document, base, own) if own else ()
    if not removed or (own and not added):
        return ()
    appended = edits.append_document(document, _tuned(document.name or "pod", node)) if node else ()
    return (*removed, *added, *appended)


def _add_sysctls(document: Document, base: Path, own: dict[str, str]) -> tuple[Edit, ...]:
    """Lines for the pod's securityContext: after its sysctls, below it, or as a new one at the top of the spec."""
    present = document.get(*base, "securityContext", "sysctls")
    there = _values(present)
    if any(there.get(name, value) != value for name, value in own.items()):
        return ()
    items = [(name, value) for name, value in own.items() if name not in there]
    if isinstance(present, list) and present:
        node = document.node_at((*base, "securityContext", "sysctls"))
        if getattr(node, "flow_style", True):
            return ()
        indent = " " * node.start_mark.column
        line = edits.last_line(document, (*base, "securityContext", "sysctls")) + 1
        return edits.insert_lines(document, line, _lines(items, indent)) if items else _nothing(document)
    context = document.get(*base, "securityContext")
    if isinstance(context, dict) and context:
        node = document.node_at((*base, "securityContext"))
        if getattr(node, "flow_style", True):
            return ()
        indent = " " * node.start_mark.column
        lines = [f"{indent}sysctls:", *_lines(items, indent)]
        return edits.insert_lines(document, node.start_mark.line, lines)
    spec = document.node_at(base)
    if context is not None or getattr(spec, "flow_style", True):
        return ()
    indent = " " * spec.start_mark.column
    lines = [f"{indent}securityContext:", f"{indent}  sysctls:", *_lines(items, f"{indent}  ")]
    return edits.insert_lines(document, spec.start_mark.line, lines)


def _values(sysctls: Any) -> dict[str, Any]:
    """The values of a list of sysctls by their dotted names."""
    out: dict[str, Any] = {}
    for entry in sysctls if isinstance(sysctls, list) else ():
        name = at(entry, ("name",))
        if isinstance(name, str):
            parsed = parse(name)
            out[name if parsed is None else parsed.dotted] = at(entry, ("value",))
    return out


def _nothing(document: Document) -> tuple[Edit, ...]:
    """An edit that changes nothing: everything is there already."""
    return (Edit(len(document.text), len(document.text), ""),)


def _lines(items: list[tuple[str, str]], indent: str) -> list[str]:
    out = []
    for name, value in items:
        out += [f"{indent}- name: {name}", f"{indent}  value: {edits.quoted(value)}"]
    return out


def _tuned(name: str, node: dict[str, str]) -> str:
    """A Tuned object as text, for the workers."""
    settings = "".join(f"      {key}={value}\n" for key, value in node.items())
    label = f"{name}-sysctls"
    return (
        "apiVersion: tuned.openshift.io/v1\n"
        "kind: Tuned\n"
        "metadata:\n"
        f"  name: {label}\n"
        f"  namespace: {TUNED_NAMESPACE}\n"
        "spec:\n"
        "  profile:\n"
        f"  - name: {label}\n"
        "    data: |\n"
        "      [main]\n"
        f"      summary=Kernel parameters that {name} needs\n"
        "      include=openshift-node\n"
        "      [sysctl]\n"
        f"{settings}"
        "  recommend:\n"
        f"  - profile: {label}\n"
        f"    priority: {PRIORITY}\n"
        "    match:\n"
        "    - label: node-role.kubernetes.io/worker\n"
    )


RULE = Rule(
    "PSC013",
    "privileged-init-container",
    Severity.WARNING,
    "A privileged container only sets sysctls",
    check,
)

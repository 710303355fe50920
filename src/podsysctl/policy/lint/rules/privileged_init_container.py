"""A privileged init container does nothing but set sysctls.

Pod Security's baseline level and most constraints refuse it, and what it writes to node-level parameters stays on
the node. Namespaced parameters belong into the pod's own sysctls, where no privilege is needed; node-level ones
belong into a Tuned object (or sysctl.d), set once for all pods.

`--fix` removes the container, adds the namespaced sysctls to the pod and appends a Tuned object for the others;
`podsysctl migrate` does so for DaemonSets as well, places the pods, and leaves out what is not needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from podsysctl.policy.lint import edits
from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.document import Document, Kind, Path
from podsysctl.policy.lint.extraction import spec_path
from podsysctl.policy.lint.finding import Edit, Finding, Rule, Severity
from podsysctl.policy.lint.knowledge import is_accepted
from podsysctl.policy.migration import manifests, pod_edits, pods
from podsysctl.policy.migration.destination import Nodes, Place
from podsysctl.policy.migration.pods import Setter

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,200}[a-z0-9])?")
"""Names that need no quotes and make a Tuned's name; others, as in templates, are left out."""


def check(context: Context) -> Iterator[Finding]:
    """Init containers with privileges whose command writes sysctls."""
    scripts = pods.scripts_of(context.documents)
    for document in context.of_kind(Kind.WORKLOAD):
        base = spec_path(document)
        nodes = Nodes(replace(context.target, kernel=None))  # what is a default on a kernel is `migrate`'s question
        texts = scripts.get(document.namespace, pods.NO_SCRIPTS)
        for setter in pods.setters_of(document.get(*base), nodes, scripts=texts):
            names = ", ".join(dict.fromkeys([*(v.name for v in setter.values), *setter.effects.unknown]))
            if setter.key != pods.INIT or not setter.privileged or not names:
                continue
            own = {v.name: v.value for v in setter.values if v.place is Place.POD}
            node = {v.name: v.guard + v.value for v in setter.values if v.place is Place.NODE}
            text = f"{document.title}: init container {setter.name} is privileged to set {names}"
            path: Path = (*base, setter.key, setter.index)
            undecided = setter.undecided
            hint = "; ".join(undecided) if undecided else _hint(own, node)
            fix = () if undecided or setter.effects.sysfs else _fix(document, base, setter, own, node)
            yield find(RULE.id, RULE.severity, document, path, text, subject=setter.name, hint=hint, edits=fix)


def _hint(own: dict[str, str], node: dict[str, str]) -> str:
    parts = []
    if own:
        parts.append(f"{', '.join(own)} can stand in the pod's sysctls")
    if node:
        parts.append(f"{', '.join(node)} belongs to the node: a Tuned object or sysctl.d")
    return "; ".join(parts) or "nothing of it is needed"


def _fix(
    document: Document, base: Path, setter: Setter, own: dict[str, str], node: dict[str, str]
) -> tuple[Edit, ...]:
    """Take the container out, put the values where they belong; nothing unless all of it can be done."""
    if not all(is_accepted(name) and value.isprintable() for name, value in (*own.items(), *node.items())):
        return ()
    removed = pod_edits.remove_containers(document, base, [(setter.key, setter.index)])
    added = pod_edits.add_sysctls(document, base, own)
    if removed is None or added is None:
        return ()
    name = document.name if _NAME.fullmatch(document.name) else "pod"
    tuned = manifests.Tuned(f"{name}-sysctls", ((manifests.WORKER_LABEL, ""),), node, owners=[name])
    return (*removed, *added, *(edits.append_document(document, tuned.text()) if node else ()))


RULE = Rule(
    "PSC013",
    "privileged-init-container",
    Severity.WARNING,
    "A privileged container only sets sysctls",
    check,
)

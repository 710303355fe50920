"""Edits of a pod's spec that keep comments, order and spacing: containers out, sysctls and placement in.

Each function returns the edits, or None when the text has a form (flow style, JSON) that is not rewritten.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from podsysctl.policy import kubelet
from podsysctl.policy.lint import edits
from podsysctl.policy.lint.document import Document, Path, at
from podsysctl.policy.lint.finding import Edit

Edits = tuple[Edit, ...]
_ANCHOR = re.compile(r"(?<![\w&*])&([\w-]+)")


def remove_containers(document: Document, base: Path, places: Sequence[tuple[str, int]]) -> Edits | None:
    """Take containers out of their lists, and the volumes that nothing else mounts."""
    removed: Edits = ()
    for key in dict(places):
        found = edits.remove_items(document, (*base, key), [index for name, index in places if name == key])
        if not found:
            return None
        removed += found
    spec = document.get(*base)
    gone, kept = set[str](), set[str]()
    for name in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(_items(spec, name)):
            (gone if (name, index) in places else kept).update(_mounted(container))
    unused = [i for i, volume in enumerate(_items(spec, "volumes")) if at(volume, ("name",)) in gone - kept]
    return (*removed, *edits.remove_items(document, (*base, "volumes"), unused)) if unused else removed


def referenced(document: Document, changes: Sequence[Edit]) -> str:
    """An anchor in text that goes away, to which other places of the file refer; empty when there is none."""
    anchors = [name for edit in changes for name in _ANCHOR.findall(document.text[edit.start : edit.end])]
    if not anchors:
        return ""
    kept = document.text
    for edit in sorted(changes, key=lambda e: e.start, reverse=True):
        kept = kept[: edit.start] + edit.text + kept[edit.end :]
    for name in anchors:
        word = rf"{re.escape(name)}(?![\w-])"
        if re.search(rf"\*{word}", kept) and not re.search(f"&{word}", kept):
            return f"other places of the file refer to its anchor &{name}"
    return ""


def contradiction(spec: Any, own: Mapping[str, str]) -> str:
    """A value of the pod's sysctls that its init container changes afterwards; empty when there is none."""
    for entry in _items(at(spec, ("securityContext",)), "sysctls"):
        name, value = at(entry, ("name",)), at(entry, ("value",))
        if isinstance(name, str) and (dotted := kubelet.normalize_name(name)) in own and str(value) != own[dotted]:
            return f"the pod's sysctls have {dotted}={value}, and the container writes {own[dotted]}"
    return ""


def add_sysctls(document: Document, base: Path, own: Mapping[str, str]) -> Edits | None:
    """Lines for the pod's securityContext: after its sysctls, below it, or as a new one at the top of the spec.

    A sysctl that the pod has already is left; one that contradicts is for nobody to decide.
    """
    present = document.get(*base, "securityContext", "sysctls")
    if contradiction(document.get(*base), own):
        return None
    listed = [at(entry, ("name",)) for entry in present] if isinstance(present, list) else []
    names = {kubelet.normalize_name(name) for name in listed if isinstance(name, str)}
    items = [(name, value) for name, value in own.items() if name not in names]
    if not items:
        return ()
    if isinstance(present, list) and present:
        return _extend(document, (*base, "securityContext", "sysctls"), lambda indent: _lines(items, indent))
    context = document.get(*base, "securityContext")
    if isinstance(context, dict) and context:
        node = document.node_at((*base, "securityContext"))
        if not _is_block(node):
            return None
        indent = " " * node.start_mark.column
        return edits.insert_lines(document, node.start_mark.line, [f"{indent}sysctls:", *_lines(items, indent)])
    if context is not None:
        return None
    return _at_top(document, base, lambda i: [f"{i}securityContext:", f"{i}  sysctls:", *_lines(items, f"{i}  ")])


def add_placement(document: Document, base: Path, key: str, value: str) -> Edits | None:
    """A nodeSelector for a label and a toleration for the taint of the same name."""
    out: list[Edit] = []
    selector = document.get(*base, "nodeSelector")
    entry = f"{key}: {value}"
    if isinstance(selector, dict) and selector:
        if selector.get(key, value) != value:
            return None
        node = document.node_at((*base, "nodeSelector"))
        if not _is_block(node):
            return None
        if key not in selector:
            indent = " " * node.start_mark.column
            out += edits.insert_lines(document, node.start_mark.line, [f"{indent}{entry}"])
    elif selector is None:
        added = _at_top(document, base, lambda i: [f"{i}nodeSelector:", f"{i}  {entry}"])
        if added is None:
            return None
        out += added
    else:
        return None
    tolerations = _tolerations(document, base, key, value)
    return None if tolerations is None else (*out, *tolerations)


def _tolerations(document: Document, base: Path, key: str, value: str) -> Edits | None:
    present = document.get(*base, "tolerations")

    def lines(indent: str) -> list[str]:
        rest = ("operator: Equal", f"value: {value}", "effect: NoSchedule")
        return [f"{indent}- key: {key}", *(f"{indent}  {line}" for line in rest)]

    if isinstance(present, list) and present:
        if any(at(t, ("key",)) == key or (at(t, ("operator",)) == "Exists" and not at(t, ("key",))) for t in present):
            return ()
        return _extend(document, (*base, "tolerations"), lines)
    if present is not None:
        return None
    return _at_top(document, base, lambda i: [f"{i}tolerations:", *lines(i)])


def _extend(document: Document, path: Path, lines: Any) -> Edits | None:
    """Add items to the end of a block list."""
    node = document.node_at(path)
    if not _is_block(node):
        return None
    line = edits.last_line(document, path) + 1
    return edits.insert_lines(document, line, lines(" " * node.start_mark.column))


def _at_top(document: Document, base: Path, lines: Any) -> Edits | None:
    """Add entries at the top of the spec."""
    spec = document.node_at(base)
    if not _is_block(spec):
        return None
    return edits.insert_lines(document, spec.start_mark.line, lines(" " * spec.start_mark.column))


def _is_block(node: yaml.Node) -> bool:
    return isinstance(node, yaml.CollectionNode) and not node.flow_style


def _lines(items: Iterable[tuple[str, str]], indent: str) -> list[str]:
    out = []
    for name, value in items:
        out += [f"{indent}- name: {name}", f"{indent}  value: {edits.quoted(value)}"]
    return out


def _items(spec: Any, key: str) -> list[Any]:
    value = at(spec, (key,))
    return value if isinstance(value, list) else []


def _mounted(container: Any) -> set[str]:
    return {m["name"] for m in _items(container, "volumeMounts") if isinstance(at(m, ("name",)), str)}

"""Two lists of allowed sysctls reach the same kubelet, and one silently replaces the other.

Lists are not merged: of several drop-in files the last by name wins, of several KubeletConfigs of a pool the last by
name decides the whole configuration. What the other one allows is gone at the next rollout, and running pods with
it.

Keep one list per kubelet.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.document import Document, Kind, Path
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.lint.kubelet_lists import kubelet_lists


def check(context: Context) -> Iterator[Finding]:
    """Group lists by the kubelet that they reach."""
    groups: dict[tuple[str, str], list[tuple[Document, Path, list[Any]]]] = {}
    for found in kubelet_lists(context):
        for key in _kubelets(found[0], context):
            groups.setdefault((found[0].variant, key), []).append(found)
    told: set[tuple[int, int]] = set()
    for (_, where), lists in groups.items():
        ordered = sorted(lists, key=lambda item: item[0].file if where.startswith("directory ") else item[0].name)
        winner = ordered[-1]
        for document, path, entries in ordered[:-1]:
            if (id(document), id(winner[0])) in told:
                continue
            told.add((id(document), id(winner[0])))
            lost = [str(entry) for entry in entries if entry not in winner[2]]
            if lost:
                other = winner[0].name or posixpath.basename(winner[0].file)
                text = f"{document.title}: {', '.join(lost)} are lost, the list of {other} replaces this one ({where})"
                yield find(RULE.id, RULE.severity, document, path, text, subject=",".join(lost))


def _kubelets(document: Document, context: Context) -> Iterator[str]:
    """Which kubelets a list reaches: the pools of a selector, or the directory of a drop-in."""
    if document.kind is Kind.KUBELET_FILE:
        directory = posixpath.dirname(document.file)
        if directory.endswith(".d"):
            yield f"directory {directory}"
        return
    labels = document.get("spec", "machineConfigPoolSelector", "matchLabels")
    if not isinstance(labels, dict) or not labels:
        return
    pools = [pool for pool in context.of_kind(Kind.POOL) if _matches(labels, pool.get("metadata", "labels"))]
    if pools:
        for pool in pools:
            yield f"pool {pool.name}"
        return
    yield "pools with " + ", ".join(f"{key}={value}" for key, value in sorted(labels.items(), key=str))


def _matches(wanted: Mapping[str, Any], labels: Any) -> bool:
    return isinstance(labels, dict) and all(labels.get(key) == value for key, value in wanted.items())


RULE = Rule("PSC103", "kubelet-list-replaced", Severity.ERROR, "Another list replaces this one", check)

"""Which other pods a pod's affinity or anti-affinity speaks of.

Source: Kubernetes 1.36 `kube-scheduler/framework/types.go` (AffinityTerm). A term of neither namespaces nor a
namespaceSelector speaks of its own pod's namespace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from podsysctl.objects import selectors
from podsysctl.objects.selectors import LabelSelector, SelectorError

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"

_Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AffinityTerm:
    """Pods by namespace and labels, and the node label that says what counts as one place."""

    topology_key: str
    selector: LabelSelector
    namespaces: frozenset[str]
    namespace_selector: LabelSelector

    def matches(self, namespace: str, labels: _Labels, namespace_labels: _Labels) -> bool:
        """Whether it speaks of a pod of this namespace with these labels."""
        is_here = namespace in self.namespaces or self.namespace_selector.matches(namespace_labels)
        return is_here and self.selector.matches(labels)


def has_required(spec: Mapping[str, Any], kind: str) -> bool:
    """Whether there are required terms of a kind, `podAffinity` or `podAntiAffinity`."""
    return bool(((spec.get("affinity") or {}).get(kind) or {}).get(_REQUIRED))


def required(spec: Mapping[str, Any], kind: str, namespace: str) -> tuple[AffinityTerm, ...]:
    """The required terms of a kind."""
    listed = ((spec.get("affinity") or {}).get(kind) or {}).get(_REQUIRED) or ()
    return tuple(_term(entry, namespace) for entry in listed)


def _term(entry: Mapping[str, Any], namespace: str) -> AffinityTerm:
    names, of_namespaces = entry.get("namespaces") or (), entry.get("namespaceSelector")
    return AffinityTerm(
        str(entry.get("topologyKey") or ""),
        selector(entry.get("labelSelector")),
        frozenset(names if names or of_namespaces is not None else (namespace,)),
        selector(of_namespaces),
    )


def selector(entry: Mapping[str, Any] | None) -> LabelSelector:
    """A LabelSelector; one that no server would have taken selects nothing."""
    try:
        return selectors.from_object(entry)
    except SelectorError:
        return selectors.NOTHING

"""A pod spec prepared once for many checks: its containers in upstream's order, with their security contexts.

Reads JSON objects tolerantly: a field that is null counts as absent.
Source: pod-security-admission policy/visitor.go for the order of containers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

EMPTY: Mapping[str, Any] = {}


class ContainerView(NamedTuple):
    """One container of any kind: its name, its securityContext (empty when absent), all of it."""

    name: str
    security: Mapping[str, Any]
    fields: Mapping[str, Any]


class PodView:
    """What checks read: annotations, spec, pod-level securityContext, and all containers.

    `containers` holds init, ordinary and ephemeral containers, in that order.
    """

    __slots__ = ("annotations", "containers", "security", "spec")

    def __init__(self, metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
        self.annotations: Mapping[str, str] = metadata.get("annotations") or EMPTY
        self.spec = spec
        self.security: Mapping[str, Any] = spec.get("securityContext") or EMPTY
        every: list[Mapping[str, Any]] = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
        every.extend(spec.get("ephemeralContainers") or ())
        self.containers = [ContainerView(c.get("name") or "", c.get("securityContext") or EMPTY, c) for c in every]

    @property
    def volumes(self) -> Sequence[Mapping[str, Any]]:
        """The pod's volumes, none when absent."""
        return self.spec.get("volumes") or ()

    @property
    def is_windows(self) -> bool:
        """Whether the pod says that it needs Windows."""
        return (self.spec.get("os") or EMPTY).get("name") == "windows"

    @property
    def has_user_namespace(self) -> bool:
        """Whether the pod asks for a user namespace of its own (hostUsers: false)."""
        return self.spec.get("hostUsers") is False


def view_of(pod: Mapping[str, Any]) -> PodView:
    """The view of a Pod or of a pod template, which have the same shape."""
    return PodView(pod.get("metadata") or EMPTY, pod.get("spec") or EMPTY)

"""Seccomp profiles as constraints name them, and how fields and the old annotations translate into each other.

Source: apiserver-library-go pkg/securitycontextconstraints/seccomp/strategy.go and sccmatching/provider.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.base.errors import FieldError
from podsysctl.objects import fielderrors

POD_KEY = "seccomp.security.alpha.kubernetes.io/pod"
CONTAINER_KEY = "container.seccomp.security.alpha.kubernetes.io/"
_RUNTIME_DEFAULT = ("runtime/default", "docker/default")
_LOCALHOST = "localhost/"


def annotation_for(profile: Mapping[str, Any]) -> str:
    """The annotation's form of a seccompProfile field; empty for a type that has none."""
    kind = profile.get("type")
    if kind == "Unconfined":
        return "unconfined"
    if kind == "RuntimeDefault":
        return "runtime/default"
    local = profile.get("localhostProfile")
    return _LOCALHOST + local if kind == "Localhost" and local is not None else ""


def field_for(annotation: str) -> dict[str, Any] | None:
    """The seccompProfile field of an annotation; None for a text that has none."""
    if annotation == "unconfined":
        return {"type": "Unconfined"}
    if annotation in _RUNTIME_DEFAULT:
        return {"type": "RuntimeDefault"}
    if annotation.startswith(_LOCALHOST) and annotation != _LOCALHOST:
        return {"type": "Localhost", "localhostProfile": annotation.removeprefix(_LOCALHOST)}
    return None


class Profiles:
    """The profiles one constraint allows."""

    __slots__ = ("_accepts_runtime_default", "allowed", "any")

    def __init__(self, listed: tuple[str, ...]) -> None:
        self.any = "*" in listed
        self.allowed = tuple(p for p in listed if p != "*")
        self._accepts_runtime_default = any(p in _RUNTIME_DEFAULT for p in self.allowed)

    def generate(self, annotations: Mapping[str, str], security: Mapping[str, Any]) -> str:
        """The pod's profile in annotation form: what it has, else the first one listed, else empty."""
        own = annotations.get(POD_KEY)
        if own:
            return own
        field = security.get("seccompProfile")
        if field is not None:
            return annotation_for(field)
        return self.allowed[0] if self.allowed else ""

    def problem(self, path: str, profile: str) -> FieldError | None:
        """What is wrong with a profile in annotation form, empty meaning none."""
        if self.any or (not self.allowed and not profile):
            return None
        if not self.allowed:
            return fielderrors.forbidden(path, "seccomp may not be set")
        if profile in self.allowed or (self._accepts_runtime_default and profile in _RUNTIME_DEFAULT):
            return None
        valid = " ".join(self.allowed)
        return fielderrors.forbidden(path, f"{profile} is not an allowed seccomp profile. Valid values are [{valid}]")


def container_profile(
    name: str, security: Mapping[str, Any], annotations: Mapping[str, str], pod_security: Mapping[str, Any]
) -> str:
    """The profile a container really has, in annotation form: its field, its annotation, the pod's."""
    own = security.get("seccompProfile")
    if own is not None:
        return annotation_for(own)
    annotation = annotations.get(CONTAINER_KEY + name)
    if annotation is not None:
        return annotation
    of_pod = pod_security.get("seccompProfile")
    return annotation_for(of_pod) if of_pod is not None else annotations.get(POD_KEY, "")

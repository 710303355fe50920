"""What rules ask about a name again and again: is it one, what is it, who calls it safe. Answers are remembered."""

from __future__ import annotations

import re
from functools import lru_cache

from podsysctl.base import limits
from podsysctl.base.errors import NameSyntaxError
from podsysctl.base.versions import ClusterVersion, KernelVersion
from podsysctl.policy import kubelet
from podsysctl.sysctls import catalogue, safe
from podsysctl.sysctls.catalogue import Namespace, Parameter
from podsysctl.sysctls.name import SysctlName, parse_name

_NEWEST_KERNEL = KernelVersion(99, 0)
"""Stands for an unknown kernel when only the cluster's version matters."""
_REMEMBERED = 4096
NAME_FORMAT = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
"""What the API server accepts as the name of a pod's sysctl."""
_NAME = re.compile(NAME_FORMAT)


@lru_cache(maxsize=_REMEMBERED)
def parse(name: str) -> SysctlName | None:
    """The name understood; None when it is none."""
    try:
        return parse_name(name)
    except NameSyntaxError:
        return None


@lru_cache(maxsize=_REMEMBERED)
def is_accepted(name: str) -> bool:
    """Whether the API server takes it as the name of a pod's sysctl."""
    return len(name.encode("utf-8", "replace")) <= limits.SYSCTL_NAME_BYTES and _NAME.fullmatch(name) is not None


@lru_cache(maxsize=_REMEMBERED)
def row(name: str) -> Parameter | None:
    """The catalogue's row; None when it has none, or the name is none."""
    parsed = parse(name)
    return None if parsed is None else catalogue.find(parsed)


@lru_cache(maxsize=_REMEMBERED)
def namespace_by_rule(name: str) -> kubelet.KernelNamespace:
    """The kernel namespace that Kubernetes gives a name, however it is spelled."""
    return kubelet.namespace_of(kubelet.normalize_name(name))


@lru_cache(maxsize=64)
def safe_names(minor: int, kernel: KernelVersion | None) -> frozenset[str]:
    """What a kubelet of this version allows on this kernel; the newest kernel when it is unknown."""
    return frozenset(safe.kubelet_safe(kernel or _NEWEST_KERNEL, ClusterVersion(1, minor)))


def is_node_level(name: str) -> bool:
    """Whether the catalogue knows a name to have one value for the whole machine."""
    found = row(name)
    return found is not None and found.namespace in (Namespace.NODE, Namespace.PID)

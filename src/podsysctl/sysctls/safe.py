"""Who calls which parameter safe: the kubelet, Pod Security, SecurityContextConstraints, the tuning CNI
plugin.

Upstream keeps four lists with three keys (kernel of the node, version of the policy, kernel of the API
server's host). They are columns of one table here, `catalogue/safe.toml`, and every gate filters it. Gates'
verdicts are `policy`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from podsysctl.base.errors import CatalogueError, PodsysctlError
from podsysctl.base.versions import (
    KUBERNETES_MINOR,
    ClusterVersion,
    KernelVersion,
    parse_cluster_version,
    parse_kernel_version,
)
from podsysctl.sysctls.name import parse_name

_TABLE = Path(__file__).parent / "catalogue" / "safe.toml"
_COLUMNS = frozenset({"kubelet", "kernel", "pod_security", "scc", "scc_kernel", "table", "tuning", "source"})


@dataclass(frozen=True, slots=True)
class SafeRow:
    """What each consumer says of one parameter. None or False: not in that consumer's list.

    `kubelet` is the Kubernetes version whose kubelet first had it, `kernel` the oldest node kernel for it
    (None: any); `pod_security` the first policy version; `scc` and `scc_kernel` likewise for
    SecurityContextConstraints; `tuning` the default allowlist of the tuning CNI plugin; `table` the row of
    OpenShift's documentation, "7.4", "7.5" or "".
    """

    name: str
    source: str
    kubelet: ClusterVersion | None = None
    kernel: KernelVersion | None = None
    pod_security: ClusterVersion | None = None
    scc: bool = False
    scc_kernel: KernelVersion | None = None
    tuning: bool = False
    table: str = ""


def kubelet_safe(kernel: KernelVersion | None, kubelet: ClusterVersion | None = None) -> tuple[str, ...]:
    """The kubelet's built-in allowlist on a node with this kernel, in upstream's order.

    `kernel` None means unknown, which leaves only the names that need none. `kubelet` None means the newest
    known kubelet up to `versions.KUBERNETES_VERSION`; a version filters by when each name joined the list.
    Source: kubernetes pkg/kubelet/sysctl/safe_sysctls.go.

    >>> kubelet_safe(KernelVersion(3, 10))[-1]
    'net.ipv4.ip_unprivileged_port_start'
    """
    version = kubelet or _current_cluster()
    return tuple(
        [
            row.name
            for row in rows().values()
            if row.kubelet is not None and row.kubelet <= version and _kernel_allows(row.kernel, kernel)
        ]
    )


def pod_security_safe(version: ClusterVersion | None = None) -> frozenset[str]:
    """The names that Pod Security's baseline allows in this policy version; None means `latest`, the newest
    known.

    `latest` follows the API server's Kubernetes version (`versions.KUBERNETES_VERSION`). Names are compared
    raw there, never normalised. Source: pod-security-admission policy/check_sysctls.go.
    """
    wanted = version or _current_cluster()
    return frozenset(row.name for row in rows().values() if row.pod_security is not None and row.pod_security <= wanted)


def pod_security_versions() -> tuple[ClusterVersion, ...]:
    """The policy versions at which the allowed set grew, ascending."""
    return tuple(sorted({row.pod_security for row in rows().values() if row.pod_security is not None}))


def scc_safe(kernel: KernelVersion | None) -> tuple[str, ...]:
    """The names every SecurityContextConstraints allows, given the kernel of the API server's host.

    Source: apiserver-library-go pkg/securitycontextconstraints/sysctl/mustmatchpatterns.go.
    """
    return tuple([row.name for row in rows().values() if row.scc and _kernel_allows(row.scc_kernel, kernel)])


def interface_safe() -> tuple[str, ...]:
    """The names in OpenShift's default allowlist of the tuning CNI plugin, each with the IFNAME token."""
    return tuple([row.name for row in rows().values() if row.tuning])


def documented(table: str) -> tuple[str, ...]:
    """The rows of OpenShift's documented table `7.4` (system-wide) or `7.5` (interface-specific)."""
    return tuple([row.name for row in rows().values() if row.table == table])


def find(name: str) -> SafeRow | None:
    """The row of a parameter by its catalogue name (dotted, IFNAME token), or None: safe for nobody."""
    return rows().get(name)


@cache
def rows() -> dict[str, SafeRow]:
    """The whole table in upstream's order. Raises CatalogueError when a row contradicts itself."""
    with _TABLE.open("rb") as file:
        raw = tomllib.load(file)
    return {name: _row(name, columns) for name, columns in raw.items()}


def _row(name: str, columns: dict[str, Any]) -> SafeRow:
    unknown = columns.keys() - _COLUMNS
    if unknown or not columns.get("source"):
        raise CatalogueError(f"{name}: safe.toml row has unknown columns {sorted(unknown)} or no source")
    try:
        if parse_name(name).template.dotted != name:
            raise CatalogueError(f"{name}: safe.toml must use the IFNAME token")
        row = SafeRow(
            name=name,
            source=columns["source"],
            kubelet=_cluster(columns.get("kubelet")),
            kernel=_kernel(columns.get("kernel")),
            pod_security=_cluster(columns.get("pod_security")),
            scc=columns.get("scc", False),
            scc_kernel=_kernel(columns.get("scc_kernel")),
            tuning=columns.get("tuning", False),
            table=columns.get("table", ""),
        )
    except PodsysctlError as error:
        raise CatalogueError(f"{name}: safe.toml: {error.message}") from error
    if row.kernel is not None and row.kubelet is None:
        raise CatalogueError(f"{name}: safe.toml gives the kubelet's kernel without the kubelet's version")
    return row


def _cluster(text: str | None) -> ClusterVersion | None:
    return None if text is None else parse_cluster_version(text)


def _kernel(text: str | None) -> KernelVersion | None:
    return None if text is None else parse_kernel_version(text)


def _current_cluster() -> ClusterVersion:
    return ClusterVersion(1, KUBERNETES_MINOR)


def _kernel_allows(oldest: KernelVersion | None, kernel: KernelVersion | None) -> bool:
    return oldest is None or (kernel is not None and kernel >= oldest)

"""Whether a node's kubelet starts a pod: the sysctl allowlist, in upstream's words.

Step in the path: after scheduling, before the sandbox. A refused pod ends with phase Failed and reason
SysctlForbidden; that status is written in `node/gates/sysctl.py`. What the runtime and the kernel add is in
`policy/runtime.py` and `policy/kernel.py`.
Sources: kubernetes pkg/kubelet/sysctl/{allowlist,safe_sysctls}.go, component-helpers/node/util/sysctl, and
pkg/apis/policy/validation (Kubernetes 1.36; the two rows of 1.37 are gated by `kubelet_minor`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from podsysctl.base import limits
from podsysctl.base.errors import UsageError
from podsysctl.base.versions import KUBERNETES_MINOR, ClusterVersion, KernelVersion
from podsysctl.objects.quote import quote
from podsysctl.sysctls import prefix_rule, safe

PATTERN_FORMAT = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*([a-z0-9][-_a-z0-9]*)?[a-z0-9*]"
_PATTERN = re.compile(PATTERN_FORMAT)


class KernelNamespace(StrEnum):
    """The kernel namespace that upstream's table gives a name; its text appears in messages."""

    IPC = "IPC"
    NET = "Net"
    UNKNOWN = ""


_IPC_NAMES = prefix_rule.IPC_NAMES | {"kernel.shm", "kernel.msg"}
"""With upstream's two stubs, so that the patterns kernel.shm* and kernel.msg* resolve."""


def normalize_name(name: str) -> str:
    """The dot form that the kubelet compares: when the first separator is a slash, dots and slashes swap.

    >>> normalize_name("net/ipv4/conf/eno2.100/rp_filter")
    'net.ipv4.conf.eno2/100.rp_filter'
    """
    slash = name.find("/")
    if slash < 0:
        return name
    dot = name.find(".")
    return name if 0 <= dot < slash else name.translate(_SWAP)


_SWAP = {ord("."): "/", ord("/"): "."}


def namespace_of(name: str) -> KernelNamespace:
    """The kernel namespace of a normalised name or prefix, by upstream's table; UNKNOWN means node-level."""
    if name in _IPC_NAMES or name.startswith("fs.mqueue."):
        return KernelNamespace.IPC
    return KernelNamespace.NET if name.startswith("net.") else KernelNamespace.UNKNOWN


@lru_cache(maxsize=256)
def safe_names(kernel: KernelVersion | None, kubelet_minor: int = KUBERNETES_MINOR) -> tuple[str, ...]:
    """The names every kubelet of this minor version allows on this kernel, in upstream's order."""
    return safe.kubelet_safe(kernel, ClusterVersion(1, kubelet_minor))


def is_valid_pattern(pattern: str) -> bool:
    """Whether an allowlist entry has the form upstream accepts: a name, `*` only as its last character."""
    return (
        len(pattern.encode("utf-8", "surrogatepass")) <= limits.SYSCTL_NAME_BYTES
        and _PATTERN.fullmatch(pattern) is not None
    )


@dataclass(frozen=True, slots=True)
class Allowlist:
    """What one kubelet allows: exact names and prefixes, each with its kernel namespace."""

    names: Mapping[str, KernelNamespace]
    prefixes: tuple[tuple[str, KernelNamespace], ...]

    @classmethod
    def parse(
        cls, patterns: Iterable[str], kernel: KernelVersion | None, *, kubelet_minor: int = KUBERNETES_MINOR
    ) -> Allowlist:
        """The safe list of this kernel and kubelet plus `allowedUnsafeSysctls`.

        Raises UsageError, in upstream's words, for an entry that stops a kubelet from starting: bad
        syntax, or a prefix that is not known to be namespaced.
        """
        return _parse_allowlist((*safe_names(kernel, kubelet_minor), *patterns))

    def find(self, name: str) -> tuple[str, KernelNamespace] | None:
        """The entry that allows a normalised name, with its namespace: `kernel.msg*` style for a prefix."""
        namespace = self.names.get(name)
        if namespace is not None:
            return name, namespace
        for prefix, of_prefix in self.prefixes:
            if name.startswith(prefix):
                return f"{prefix}*", of_prefix
        return None

    def check_name(self, raw_name: str, *, host_network: bool = False, host_ipc: bool = False) -> str | None:
        """Why one sysctl is refused, without the `forbidden sysctl: ` in front; None when it is allowed."""
        name = normalize_name(raw_name)
        return self.problem(name, self.find(name), host_network=host_network, host_ipc=host_ipc)

    def problem(
        self, name: str, entry: tuple[str, KernelNamespace] | None, *, host_network: bool, host_ipc: bool
    ) -> str | None:
        """The same for a normalised name whose entry was found before."""
        if entry is None:
            return f"{quote(name)} not allowlisted"
        namespace = entry[1]
        if (host_ipc and namespace is KernelNamespace.IPC) or (host_network and namespace is KernelNamespace.NET):
            return f"{quote(name)} not allowed with host {namespace} enabled"
        return None

    def check(self, pod: Mapping[str, Any]) -> str | None:
        """The kubelet's admit message for a pod: `forbidden sysctl: "kernel.msgmax" not allowlisted`.

        Only the first offending entry of the spec is named; None means the pod may start.
        """
        spec = pod.get("spec") or {}
        sysctls: Sequence[Mapping[str, Any]] = (spec.get("securityContext") or {}).get("sysctls") or ()
        host_network, host_ipc = bool(spec.get("hostNetwork")), bool(spec.get("hostIPC"))
        for entry in sysctls:
            problem = self.check_name(entry.get("name") or "", host_network=host_network, host_ipc=host_ipc)
            if problem is not None:
                return f"forbidden sysctl: {problem}"
        return None


@lru_cache(maxsize=256)
def _parse_allowlist(patterns: tuple[str, ...]) -> Allowlist:
    """Remembered, since every pod of a node is judged by the same list."""
    names: dict[str, KernelNamespace] = {}
    prefixes: dict[str, KernelNamespace] = {}
    for pattern in patterns:
        if not is_valid_pattern(pattern):
            raise UsageError(
                f"sysctl {quote(pattern)} must have at most {limits.SYSCTL_NAME_BYTES} characters"
                f" and match regex {PATTERN_FORMAT}"
            )
        name, star, _ = normalize_name(pattern).partition("*")
        namespace = namespace_of(name)
        if namespace is KernelNamespace.UNKNOWN:
            raise UsageError(f"the sysctls {quote(name)} are not known to be namespaced")
        (prefixes if star else names)[name] = namespace
    return Allowlist(MappingProxyType(names), tuple(prefixes.items()))


DEFAULT_POD_SYSCTLS_SINCE_MINOR = 37
DEFAULT_POD_SYSCTLS_GATE = "DefaultPodSysctls"


def parse_default_pod_sysctls(configured: Mapping[str, str]) -> dict[str, str]:
    """`defaultPodSysctls` of a kubelet configuration (KEP-5996), by normalised name.

    Raises UsageError for what stops the kubelet at start: a bad name, a name without kernel
    namespace, or two spellings of one name.
    """
    out: dict[str, str] = {}
    for raw_name, value in configured.items():
        if not is_valid_pattern(raw_name) or "*" in raw_name:
            raise UsageError(f"invalid configuration: defaultPodSysctls: {quote(raw_name)} is not a sysctl name")
        name = normalize_name(raw_name)
        if _default_scope(name) is None:
            raise UsageError(f"invalid configuration: defaultPodSysctls: {quote(name)} is not known to be namespaced")
        if name in out:
            raise UsageError(f"invalid configuration: defaultPodSysctls: {quote(name)} is given twice")
        out[name] = value
    return out


def _default_scope(name: str) -> str | None:
    """The pod field that decides whether a default applies: hostIPC, hostNetwork or hostUsers."""
    if name in prefix_rule.IPC_NAMES or name.startswith("fs.mqueue."):
        return "hostIPC"
    if name.startswith("net.") or name == "kernel.domainname":
        return "hostNetwork"
    return "hostUsers" if name.startswith("user.") else None


def sandbox_sysctls(pod: Mapping[str, Any], defaults: Mapping[str, str] | None = None) -> dict[str, str]:
    """What goes to the runtime for a pod's sandbox, in dot form: the node's defaults, then the pod's.

    `defaults` comes from `parse_default_pod_sysctls`. A default is left out when the pod shares the host's
    namespace for it; `user.*` needs `hostUsers: false`. A later entry of the pod overwrites an earlier one.
    Source: kubelet kuberuntime_sandbox.go of 1.37, and the documentation of defaultPodSysctls.
    """
    spec = pod.get("spec") or {}
    out: dict[str, str] = {}
    for name, value in (defaults or {}).items():
        scope = _default_scope(name)
        shared = spec.get("hostUsers") is not False if scope == "hostUsers" else bool(spec.get(scope or ""))
        if not shared:
            out[name] = value
    for entry in (spec.get("securityContext") or {}).get("sysctls") or ():
        out[normalize_name(entry.get("name") or "")] = entry.get("value") or ""
    return out

"""Upstream's guess of what is namespaced, by name alone.

The kubelet, the API server, runc, crun and CRI-O all decide by this table, without asking the kernel. It is
wrong for dozens of names of every kernel; `kernel.probe` measures and reports where. What the API shows is
decided with this rule, never with the measurement, because clients see upstream's answer. Source:
component-helpers/node/util/sysctl/namespace.go.
"""

from __future__ import annotations

from podsysctl.sysctls.catalogue import Namespace
from podsysctl.sysctls.name import SysctlName

IPC_NAMES = frozenset(
    {
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
    }
)


def namespace_of(name: SysctlName) -> Namespace | None:
    """The kernel namespace by the rule: net, ipc, or None for everything else.

    >>> from podsysctl.sysctls.name import parse_name
    >>> namespace_of(parse_name("net.core.rmem_max"))
    <Namespace.NET: 'net'>
    >>> namespace_of(parse_name("kernel.shm_next_id")) is None
    True
    """
    dotted = name.dotted
    if dotted in IPC_NAMES or dotted.startswith("fs.mqueue."):
        return Namespace.IPC
    return Namespace.NET if dotted.startswith("net.") else None

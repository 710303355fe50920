"""Whether a container runtime applies a pod's sysctls, refuses them, or leaves them out without a word.

Step in the path: after the kubelet's gate, when the sandbox is made. The runtimes look at names and namespaces only;
values and the existence of a file are the kernel's business (`policy/kernel.py`).
Sources: runc libcontainer/configs/validate/validator.go, crun src/libcrun/linux.c, CRI-O pkg/config/sysctl.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from podsysctl.base.errors import NameSyntaxError
from podsysctl.objects.quote import quote
from podsysctl.policy.verdict import Gate, Outcome, Verdict
from podsysctl.sysctls.name import parse_name


class Runtime(StrEnum):
    """Who writes the values: runc or crun below containerd, or CRI-O's own helper."""

    RUNC = "runc"
    CRUN = "crun"
    CRIO = "cri-o"

    @classmethod
    def of_node(cls, version: str) -> Runtime:
        """From a Node's containerRuntimeVersion, such as `cri-o://1.30.0`; containerd runs runc unless told."""
        return cls.CRIO if version.startswith("cri-o") else cls.RUNC


_IPC_NAMES = frozenset(
    {
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
    }
)


@dataclass(frozen=True, slots=True)
class SandboxNamespaces:
    """Which kernel namespaces of its own a pod's sandbox has."""

    net: bool = True
    ipc: bool = True
    uts: bool = True
    user: bool = False

    @classmethod
    def of_pod(cls, pod: Mapping[str, Any]) -> SandboxNamespaces:
        """From the host flags of a pod; the host's network brings the host's uts namespace with it."""
        spec = pod.get("spec") or {}
        return cls(
            net=not spec.get("hostNetwork"),
            ipc=not spec.get("hostIPC"),
            uts=not spec.get("hostNetwork"),
            user=spec.get("hostUsers") is False,
        )


def evaluate(name: str, own: SandboxNamespaces, runtime: Runtime) -> Verdict:
    """What the runtime does with one sysctl, given in dot form as the kubelet hands it over."""
    if runtime is Runtime.CRIO:
        return _evaluate_crio(name, own)
    reason, rule = (_runc_reason if runtime is Runtime.RUNC else _crun_reason)(name, own)
    if reason:
        return Verdict(Gate.RUNTIME, Outcome.REFUSED, name, reason, rule)
    if "/" in name:
        return _unopenable(name, runtime)
    return Verdict(Gate.RUNTIME, Outcome.ALLOWED, name, rule=rule)


def _unopenable(name: str, runtime: Runtime) -> Verdict:
    """An interface with a dot in its name: every runtime turns that dot into a directory."""
    try:
        path = parse_name(name).runtime_path
    except NameSyntaxError:
        path = name.replace(".", "/")
    missing = f"/proc/sys/{path}: no such file or directory"
    reason = f"open sysctl {name} file: open {missing}"
    if runtime is not Runtime.RUNC:
        reason = f"open `/proc/sys/{path}`: No such file or directory"
    return Verdict(Gate.RUNTIME, Outcome.REFUSED, name, reason, "every dot becomes a slash")


def _runc_reason(name: str, own: SandboxNamespaces) -> tuple[str, str]:
    """runc's error text, empty when it writes the value, and the rule."""
    if name in _IPC_NAMES or name.startswith("fs.mqueue."):
        return (
            ("", "own ipc namespace") if own.ipc else (_in_host(name, "is not allowed in the hosts ipc namespace"), "")
        )
    if name.startswith("net."):
        return ("", "own net namespace") if own.net else (_in_host(name, "not allowed in host network namespace"), "")
    if name == "kernel.domainname" and own.uts:
        return "", "own uts namespace"
    if name == "kernel.hostname" and own.uts:
        return _in_host(name, 'is not allowed as it conflicts with the OCI "hostname" field'), "hostname field"
    if name.startswith("user."):
        text = f"setting ucounts without a user namespace not allowed: {name}"
        return ("", "own user namespace") if own.user else (text, "hostUsers")
    return _in_host(name, "is not in a separate kernel namespace"), "fixed list of names"


def _in_host(name: str, text: str) -> str:
    return f"sysctl {quote(name)} {text}"


def _crun_reason(name: str, own: SandboxNamespaces) -> tuple[str, str]:
    """crun's error text, empty when it writes the value, and the rule."""
    if name in _IPC_NAMES or name.startswith("fs.mqueue."):
        kind, has = "IPC", own.ipc
    elif name.startswith("net."):
        kind, has = "network", own.net
    elif name == "kernel.domainname":
        kind, has = "UTS", own.uts
    elif name == "kernel.hostname":
        return f"the sysctl `{name}` conflicts with OCI field `hostname`", "hostname field"
    else:
        return f"the sysctl `{name}` is not namespaced", "fixed list of names"
    if has:
        return "", f"own {kind} namespace"
    return f"the sysctl `{name}` requires a new {kind} namespace", ""


def _evaluate_crio(name: str, own: SandboxNamespaces) -> Verdict:
    """CRI-O leaves out what it does not know with a line in its log, and the pod runs."""
    if name == "kernel.sem" or name.startswith(("kernel.shm", "kernel.msg", "fs.mqueue.")):
        kind, has = "ipc", own.ipc
    elif name.startswith("net."):
        kind, has = "net", own.net
    else:
        return Verdict(Gate.RUNTIME, Outcome.IGNORED, name, f"{name} not whitelisted", "fixed list of prefixes")
    if not has:
        reason = f"{quote(name)} not allowed with host {kind} enabled"
        return Verdict(Gate.RUNTIME, Outcome.IGNORED, name, reason, f"host {kind} namespace")
    if "/" in name:
        return _unopenable(name, Runtime.CRIO)
    return Verdict(Gate.RUNTIME, Outcome.ALLOWED, name, rule=f"own {kind} namespace")

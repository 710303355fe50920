"""The runtimes' gate: which names each of them writes, refuses or leaves out, in its own words."""

from __future__ import annotations

import pytest

from podsysctl.policy.runtime import Runtime, SandboxNamespaces, evaluate
from podsysctl.policy.verdict import Outcome
from tests.policy.builders import pod

OWN = SandboxNamespaces()
HOST = SandboxNamespaces(net=False, ipc=False, uts=False)
USERNS = SandboxNamespaces(user=True)
IPC_NAMES = (
    "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax",
    "kernel.shmmni", "kernel.shm_rmid_forced", "fs.mqueue.msg_max",
)  # fmt: skip


@pytest.mark.parametrize("runtime", list(Runtime))
@pytest.mark.parametrize("name", [*IPC_NAMES, "net.core.somaxconn"])
def test_namespaced_name_is_written_by_every_runtime(name: str, runtime: Runtime) -> None:
    """With namespaces of its own a pod gets what the fixed lists hold."""
    assert evaluate(name, OWN, runtime).outcome is Outcome.ALLOWED


@pytest.mark.parametrize("name", IPC_NAMES)
def test_ipc_name_with_host_ipc_refused(name: str) -> None:
    """Each runtime words it differently, and CRI-O only writes a line into its log."""
    assert evaluate(name, HOST, Runtime.RUNC).reason == f'sysctl "{name}" is not allowed in the hosts ipc namespace'
    assert evaluate(name, HOST, Runtime.CRUN).reason == f"the sysctl `{name}` requires a new IPC namespace"
    verdict = evaluate(name, HOST, Runtime.CRIO)
    assert (verdict.outcome, verdict.reason) == (Outcome.IGNORED, f'"{name}" not allowed with host ipc enabled')


def test_net_name_with_host_network_refused() -> None:
    """The host's network is nobody's own."""
    name = "net.core.somaxconn"
    assert evaluate(name, HOST, Runtime.RUNC).reason == f'sysctl "{name}" not allowed in host network namespace'
    assert evaluate(name, HOST, Runtime.CRUN).reason == f"the sysctl `{name}` requires a new network namespace"
    assert evaluate(name, HOST, Runtime.CRIO).reason == f'"{name}" not allowed with host net enabled'


@pytest.mark.parametrize(
    ("name", "runc", "crun", "crio"),
    [
        (
            "vm.swappiness",
            'sysctl "vm.swappiness" is not in a separate kernel namespace',
            "the sysctl `vm.swappiness` is not namespaced",
            "vm.swappiness not whitelisted",
        ),
        (
            "kernel.hostname",
            'sysctl "kernel.hostname" is not allowed as it conflicts with the OCI "hostname" field',
            "the sysctl `kernel.hostname` conflicts with OCI field `hostname`",
            "kernel.hostname not whitelisted",
        ),
        (
            "user.max_user_namespaces",
            "setting ucounts without a user namespace not allowed: user.max_user_namespaces",
            "the sysctl `user.max_user_namespaces` is not namespaced",
            "user.max_user_namespaces not whitelisted",
        ),
        ("kernel.domainname", "", "", "kernel.domainname not whitelisted"),
        ("kernel.shm_next_id", 'sysctl "kernel.shm_next_id" is not in a separate kernel namespace',
         "the sysctl `kernel.shm_next_id` is not namespaced", ""),
        ("kernel.sem_next_id", 'sysctl "kernel.sem_next_id" is not in a separate kernel namespace',
         "the sysctl `kernel.sem_next_id` is not namespaced", "kernel.sem_next_id not whitelisted"),
    ],
)  # fmt: skip
def test_name_outside_the_lists_answered_as_each_runtime_does(name: str, runc: str, crun: str, crio: str) -> None:
    """An empty text means that the runtime writes the value."""
    assert evaluate(name, OWN, Runtime.RUNC).reason == runc
    assert evaluate(name, OWN, Runtime.CRUN).reason == crun
    assert evaluate(name, OWN, Runtime.CRIO).reason == crio


def test_user_name_needs_a_user_namespace_and_runc() -> None:
    """Only runc knows user.*, and only inside a user namespace."""
    assert evaluate("user.max_ipc_namespaces", USERNS, Runtime.RUNC).outcome is Outcome.ALLOWED
    assert evaluate("user.max_ipc_namespaces", USERNS, Runtime.CRUN).outcome is Outcome.REFUSED


@pytest.mark.parametrize("runtime", list(Runtime))
def test_dotted_interface_cannot_be_opened(runtime: Runtime) -> None:
    """Every runtime makes directories of dots, so an interface such as eth0.100 is never found."""
    verdict = evaluate("net.ipv4.conf.eth0/100.rp_filter", OWN, runtime)
    assert verdict.outcome is Outcome.REFUSED
    assert "/proc/sys/net/ipv4/conf/eth0/100/rp_filter" in verdict.reason


def test_sandbox_namespaces_follow_the_host_flags() -> None:
    """The host's network brings the host's uts namespace with it."""
    assert SandboxNamespaces.of_pod(pod()) == OWN
    assert SandboxNamespaces.of_pod(pod(hostNetwork=True)) == SandboxNamespaces(net=False, uts=False)
    assert SandboxNamespaces.of_pod(pod(hostIPC=True, hostUsers=False)) == SandboxNamespaces(ipc=False, user=True)


@pytest.mark.parametrize(
    ("version", "runtime"),
    [("cri-o://1.30.2", Runtime.CRIO), ("containerd://2.0.0", Runtime.RUNC), ("", Runtime.RUNC)],
)
def test_runtime_of_node_is_told_by_its_version(version: str, runtime: Runtime) -> None:
    """What a Node object says about its runtime."""
    assert Runtime.of_node(version) is runtime


def test_domainname_needs_a_uts_namespace() -> None:
    """The host's network brings the host's; CRI-O never writes it."""
    name = "kernel.domainname"
    assert evaluate(name, HOST, Runtime.RUNC).reason == f'sysctl "{name}" is not in a separate kernel namespace'
    assert evaluate(name, HOST, Runtime.CRUN).reason == f"the sysctl `{name}` requires a new UTS namespace"
    for runtime in (Runtime.RUNC, Runtime.CRUN):
        assert evaluate(name, OWN, runtime).outcome is Outcome.ALLOWED
        assert evaluate("kernel.hostname", HOST, runtime).outcome is Outcome.REFUSED
    assert evaluate("kernel.hostname", HOST, Runtime.RUNC).reason == (
        'sysctl "kernel.hostname" is not in a separate kernel namespace'
    )

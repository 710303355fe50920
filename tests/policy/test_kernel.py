"""The kernel's gate: names by measurement, values by their shape, and what a pod would read."""

from __future__ import annotations

import pytest

from podsysctl.policy.kernel import evaluate
from podsysctl.policy.lint.context import Target
from podsysctl.policy.migration.destination import Nodes, Place, Surroundings, decide
from podsysctl.policy.migration.effects import Write
from podsysctl.policy.runtime import Runtime, SandboxNamespaces
from podsysctl.policy.verdict import Outcome
from podsysctl.sysctls.catalogue import Access, Namespace
from podsysctl.sysctls.kernel_facts import Fact, InPod, KernelFacts

OWN = SandboxNamespaces()
RW = Access.READ_WRITE


def facts(*entries: Fact) -> KernelFacts:
    """A kernel that shows these parameters."""
    return KernelFacts("6.18.44", {entry.name: entry for entry in entries})


SOMAXCONN = Fact("net.core.somaxconn", Namespace.NET, InPod.OWN, RW)
RMEM_MAX = Fact("net.core.rmem_max", Namespace.NODE, InPod.ABSENT, RW)
READ_ONLY = Fact("net.core.wmem_max", Namespace.NODE, InPod.READ_ONLY, RW)
RANGE = Fact("net.ipv4.ip_local_port_range", Namespace.NET, InPod.OWN, RW)
CONF = Fact("net.ipv4.conf.IFNAME.rp_filter", Namespace.NET, InPod.OWN, RW)
HIDDEN = Fact("net.ipv4.tcp_mem", Namespace.NET, InPod.OWN, RW, hidden_from_user_namespace=True)
USER = Fact("user.max_ipc_namespaces", Namespace.USER, InPod.NODE, RW)
KERNEL = facts(SOMAXCONN, RMEM_MAX, READ_ONLY, RANGE, CONF, HIDDEN, USER)


def test_value_that_fits_is_taken_and_read_back_as_the_kernel_prints_it() -> None:
    """Blanks become tabs."""
    answer = evaluate("net.ipv4.ip_local_port_range", "32770       60666", KERNEL, OWN, Runtime.RUNC)
    assert answer.verdict.outcome is Outcome.ALLOWED
    assert answer.effective == "32770\t60666"


@pytest.mark.parametrize(
    ("runtime", "text"),
    [
        (
            Runtime.RUNC,
            'failed to write sysctl net.ipv4.ip_local_port_range = "abc":'
            " write /proc/sys/net/ipv4/ip_local_port_range: invalid argument",
        ),
        (Runtime.CRUN, "write to `/proc/sys/net/ipv4/ip_local_port_range`: Invalid argument"),
        (Runtime.CRIO, "failed to write to /proc/sys/net/ipv4/ip_local_port_range: Invalid argument"),
    ],
)
def test_value_that_does_not_fit_is_refused_in_the_runtimes_words(runtime: Runtime, text: str) -> None:
    """The pod would stay ContainerCreating with this text in its event."""
    answer = evaluate("net.ipv4.ip_local_port_range", "abc", KERNEL, OWN, runtime)
    assert answer.verdict.outcome is Outcome.REFUSED
    assert answer.verdict.reason.startswith(text)
    assert answer.effective == ""


def test_name_hidden_in_new_namespaces_is_refused() -> None:
    """net.core.rmem_max passes every gate above and stops the sandbox."""
    answer = evaluate("net.core.rmem_max", "1", KERNEL, OWN, Runtime.RUNC)
    assert answer.verdict.reason == (
        "open sysctl net.core.rmem_max file: open /proc/sys/net/core/rmem_max: no such file or directory;"
        " Linux 6.18.44 has one value for the whole node and hides it in pods"
    )


def test_name_read_only_in_pods_is_refused() -> None:
    """Visible is not writable."""
    answer = evaluate("net.core.wmem_max", "1", KERNEL, OWN, Runtime.RUNC)
    assert "permission denied; Linux 6.18.44 shows it read-only in a pod" in answer.verdict.reason


def test_name_that_the_kernel_does_not_show_is_refused() -> None:
    """A typing error, or a module that is not loaded."""
    answer = evaluate("net.ipv4.tcp_fack", "1", KERNEL, OWN, Runtime.RUNC)
    assert "has no such parameter or its module is not loaded" in answer.verdict.reason


def test_name_hidden_from_user_namespaces_depends_on_host_users() -> None:
    """hostUsers: false hides some parameters."""
    assert evaluate("net.ipv4.tcp_mem", "1 2 3", KERNEL, OWN, Runtime.RUNC).verdict.outcome is Outcome.ALLOWED
    own_user = SandboxNamespaces(user=True)
    answer = evaluate("net.ipv4.tcp_mem", "1 2 3", KERNEL, own_user, Runtime.RUNC)
    assert "hides it in a pod with a user namespace of its own" in answer.verdict.reason


def test_name_hidden_from_the_user_who_measured_is_judged_by_the_catalogue() -> None:
    """A probe without root cannot tell; only a pod with a user namespace of its own is known to lack the name."""
    name = "net.core.xfrm_acq_expires"
    facts = KernelFacts("6.18.44", {name: Fact(name, Namespace.NET, InPod.HIDDEN, Access.READ_WRITE)}, privileged=False)
    allowed = evaluate(name, "30", facts, OWN, Runtime.RUNC).verdict
    assert (allowed.outcome, allowed.rule) == (Outcome.ALLOWED, "namespaced (net) by the catalogue")
    refused = evaluate(name, "30", facts, SandboxNamespaces(user=True), Runtime.RUNC).verdict
    assert "hides it in a pod with a user namespace of its own" in refused.reason


@pytest.mark.parametrize(("in_pod", "place"), [(InPod.HIDDEN, Place.POD), (InPod.ABSENT, Place.NODE)])
def test_migration_of_a_hidden_name_asks_the_catalogue(in_pod: InPod, place: Place) -> None:
    """What nobody could see says nothing of where a value belongs."""
    name = "net.ipv6.route.gc_thresh"
    measured = facts(Fact(name, Namespace.NET, in_pod, RW))
    nodes = Nodes(Target(facts=measured))
    assert decide(Write(name, "2048"), Surroundings(), nodes).place is place


def test_user_limit_is_a_pods_own_only_in_a_user_namespace() -> None:
    """Otherwise it is the node's."""
    answer = evaluate("user.max_ipc_namespaces", "7", KERNEL, OWN, Runtime.RUNC)
    assert answer.verdict.reason == "Linux 6.18.44 has one value for the whole node"
    own_user = SandboxNamespaces(user=True)
    assert evaluate("user.max_ipc_namespaces", "7", KERNEL, own_user, Runtime.RUNC).effective == "7"


@pytest.mark.parametrize(
    ("name", "runtime", "outcome"),
    [
        ("net.ipv4.conf.all.rp_filter", Runtime.CRIO, Outcome.ALLOWED),
        ("net.ipv4.conf.lo.rp_filter", Runtime.CRIO, Outcome.ALLOWED),
        ("net.ipv4.conf.eth0.rp_filter", Runtime.RUNC, Outcome.ALLOWED),
        ("net.ipv4.conf.eth0.rp_filter", Runtime.CRIO, Outcome.REFUSED),
        ("net.ipv4.conf.net1.rp_filter", Runtime.RUNC, Outcome.REFUSED),
        ("net.ipv4.conf.net1.rp_filter", Runtime.CRIO, Outcome.REFUSED),
    ],
)
def test_interface_setting_needs_the_interface_to_exist(name: str, runtime: Runtime, outcome: Outcome) -> None:
    """CRI-O writes before the network is set up; additional interfaces come later everywhere."""
    assert evaluate(name, "1", KERNEL, OWN, runtime).verdict.outcome is outcome


def test_without_facts_the_catalogue_decides() -> None:
    """A node that published nothing is judged by what is known of Linux."""
    assert evaluate("vm.swappiness", "1", None, OWN, Runtime.RUNC).verdict.outcome is Outcome.REFUSED
    assert evaluate("net.core.somaxconn", "1", None, OWN, Runtime.RUNC).verdict.outcome is Outcome.ALLOWED
    assert evaluate("net.core.somaxconn", "x", None, OWN, Runtime.RUNC).verdict.outcome is Outcome.REFUSED
    assert evaluate("net.own.module", "1", None, OWN, Runtime.RUNC).verdict.outcome is Outcome.UNKNOWN


def test_name_that_is_no_path_is_refused() -> None:
    """Names cannot leave /proc/sys."""
    assert evaluate("net..x", "1", KERNEL, OWN, Runtime.RUNC).verdict.outcome is Outcome.REFUSED


@pytest.mark.parametrize("runtime", [Runtime.RUNC, Runtime.CRUN])
@pytest.mark.parametrize("name", ["net.core.somaxconn", "net.ipv4.ip_local_port_range", "net.own.module"])
def test_empty_value_writes_nothing(name: str, runtime: Runtime) -> None:
    """A write of no bytes succeeds: the pod runs, with the kernel's own value."""
    answer = evaluate(name, "", None, OWN, runtime)
    assert (answer.verdict.outcome, answer.verdict.reason) == (Outcome.WARNED, "an empty value writes nothing")
    assert answer.effective == ""


def test_empty_value_stops_cri_o() -> None:
    """Its helper does not take one."""
    verdict = evaluate("net.core.somaxconn", "", None, OWN, Runtime.CRIO).verdict
    assert (verdict.outcome, verdict.reason) == (
        Outcome.REFUSED,
        "sysctl must be in the form of 'key=value'; value is empty",
    )


@pytest.mark.parametrize(
    ("own", "text"),
    [
        (OWN, "write to `/proc/sys/net/ipv4/ping_group_range`: Invalid argument"),
        (
            SandboxNamespaces(user=True),
            "write to `/proc/sys/net/ipv4/ping_group_range` (are all the IDs mapped in the user namespace?):"
            " Invalid argument",
        ),
    ],
)
def test_crun_asks_about_mapped_groups_in_a_user_namespace(own: SandboxNamespaces, text: str) -> None:
    """The only parameter for which it does."""
    assert evaluate("net.ipv4.ping_group_range", "x", None, own, Runtime.CRUN).verdict.reason.startswith(text)
    assert "mapped" not in evaluate("net.core.somaxconn", "x", None, own, Runtime.CRUN).verdict.reason


@pytest.mark.parametrize(
    ("runtime", "text"),
    [
        (
            Runtime.RUNC,
            "open sysctl net.core.rmem_max file: open /proc/sys/net/core/rmem_max: no such file or directory",
        ),
        (Runtime.CRUN, "open `/proc/sys/net/core/rmem_max`: No such file or directory"),
        (Runtime.CRIO, "failed to open /proc/sys/net/core/rmem_max: No such file or directory"),
    ],
)
def test_name_hidden_in_new_namespaces_is_refused_in_the_runtimes_words(runtime: Runtime, text: str) -> None:
    """Each runtime words a file that is not there in its own way."""
    assert evaluate("net.core.rmem_max", "1", KERNEL, OWN, runtime).verdict.reason.startswith(f"{text}; ")

"""The probe finds what the kernel really does, quickly, and changes nothing; the dry run answers truly."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from podsysctl.base.errors import CatalogueError, KernelError
from podsysctl.kernel import child, dry_run, leak, namespaces, probe
from podsysctl.kernel.dry_run import Answer
from podsysctl.sysctls.catalogue import Namespace
from podsysctl.sysctls.kernel_facts import InPod, KernelFacts
from podsysctl.sysctls.name import parse_name

FACTS = Path(__file__).parent / "linux-6.18.txt"


def measured_by_hand() -> tuple[set[str], set[str]]:
    """The names of `unshare -n` against the host on Linux 6.18, conf/ and neigh/ aside: absent, and read-only."""
    absent, read_only = re.split(r"^## .*$", FACTS.read_text(), flags=re.MULTILINE)[1:]
    return set(absent.split()), set(read_only.split())


@pytest.mark.root
def test_probe_finds_every_name_measured_by_hand(root: None, unchanged_host: None) -> None:
    """The 62 absent and 8 read-only names of Linux 6.18, and on other kernels what `unshare -n` shows there."""
    facts = probe.measure()
    script = "cd /proc/sys; find net -type f -printf '%m %p\\n'"
    here, there = (
        dict(
            line.split()[::-1]
            for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        )
        for command in (["sh", "-c", script], ["unshare", "-n", "sh", "-c", script])
    )  # fmt: skip
    plain = {path for path in here if "/conf/" not in path and "/neigh/" not in path}
    absent = {path.replace("/", ".") for path in plain if path not in there}
    read_only = {
        path.replace("/", ".")
        for path in plain
        if path in there and int(here[path], 8) & 0o222 and not int(there[path], 8) & 0o222
    }
    named = {name for name in facts.absent if ".conf." not in name and ".neigh." not in name}
    assert named == absent
    assert set(facts.read_only) == read_only
    if facts.release.startswith("6.18."):
        by_hand = measured_by_hand()
        assert (len(by_hand[0]), len(by_hand[1])) == (62, 8)
        assert by_hand[0] <= set(facts.absent)
        assert by_hand[1] <= set(facts.read_only)


@pytest.mark.root
def test_probe_kinds_of_namespaces_are_told_apart(root: None) -> None:
    """Net, ipc, uts, user, pid and node each have a witness."""
    facts = probe.measure().facts
    witnesses = {
        "net.core.somaxconn": (Namespace.NET, InPod.OWN),
        "kernel.shmmax": (Namespace.IPC, InPod.OWN),
        "fs.mqueue.msg_max": (Namespace.IPC, InPod.OWN),
        "kernel.hostname": (Namespace.UTS, InPod.OWN),
        "user.max_net_namespaces": (Namespace.USER, InPod.NODE),
        "vm.max_map_count": (Namespace.NODE, InPod.NODE),
        "net.ipv4.tcp_mem": (Namespace.NODE, InPod.ABSENT),
        "net.ipv4.conf.IFNAME.rp_filter": (Namespace.NET, InPod.OWN),
    }
    assert {name: (facts[name].namespace, facts[name].in_pod) for name in witnesses} == witnesses


@pytest.mark.root
def test_probe_neighbour_default_is_absent_in_a_pod_though_interfaces_are_not(root: None) -> None:
    """A pod has neigh/lo but no neigh/default: the two entries differ."""
    facts = probe.measure()
    default = facts.find("net.ipv4.neigh.default.base_reachable_time_ms")
    usual = facts.find("net.ipv4.neigh.eth7.base_reachable_time_ms")
    assert default is not None
    assert usual is not None
    assert (default.in_pod, usual.in_pod) == (InPod.ABSENT, InPod.OWN)


@pytest.mark.root
def test_leak_test_finds_no_unknown_leak_and_changes_nothing(root: None, unchanged_host: None) -> None:
    """Writes in one namespace show in no other and not on the host."""
    facts = probe.measure(write=True)
    tested = {name: fact.isolated for name, fact in facts.facts.items() if fact.isolated is not None}
    assert len(tested) > 300
    assert {name for name, isolated in tested.items() if not isolated} <= {"net.netfilter.nf_hooks_lwtunnel"}
    assert tested["net.core.somaxconn"]
    assert tested["kernel.shmmax"]


@pytest.mark.root
def test_leak_test_does_not_touch_the_switch_that_cannot_go_back(root: None) -> None:
    """nf_hooks_lwtunnel is the machine's, in whatever namespace it is written."""
    facts = leak.test(probe.measure())
    fact = facts.find("net.netfilter.nf_hooks_lwtunnel")
    if fact is None:
        pytest.skip("this kernel has no net.netfilter.nf_hooks_lwtunnel")
    assert (fact.namespace, fact.in_pod, fact.isolated) == (Namespace.NODE, InPod.NODE, False)
    (outcome,) = dry_run.try_values({parse_name("net.netfilter.nf_hooks_lwtunnel"): "1"})
    assert outcome.answer is Answer.NODE_LEVEL


UNPRIVILEGED = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
HIDDEN = sys.argv[2]
os.setgroups([]); os.setgid(65534); os.setuid(65534)
from podsysctl.kernel import dry_run, probe
from podsysctl.sysctls.name import parse_name
facts = probe.measure()
wanted = {"net.core.somaxconn": "1024", "kernel.shmmax": "1", "net.core.default_qdisc": "fq"}
wanted |= {"net.ipv4.ping_group_range": "0 2147483647", HIDDEN: "30"}
outcome = dry_run.try_values({parse_name(name): value for name, value in wanted.items()})
span = dry_run.find_range(parse_name("net.ipv4.tcp_syn_retries"))
print(json.dumps([json.loads(facts.to_json()), [o.answer for o in outcome], outcome[-1].message, span]))
"""


def interpreter_for_everybody() -> str:
    """A Python that an unprivileged user may start; skips when there is none."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        path = Path(candidate).resolve()
        if not path.exists() or any(not parent.stat().st_mode & 0o001 for parent in path.parents):
            continue
        command = [candidate, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        if subprocess.run(command, check=False).returncode == 0:
            return candidate
    pytest.skip("no Python 3.11 here that other users may start")


@pytest.mark.root
def test_probe_and_try_without_privileges_work_in_a_user_namespace(root: None) -> None:
    """An ordinary user learns the same, told that it was measured in a user namespace."""
    source = Path(probe.__file__).parents[2]
    if any(not parent.stat().st_mode & 0o001 for parent in source.parents):
        pytest.skip("the source is not readable for other users")
    hidden = "net.core.xfrm_acq_expires"
    command = [interpreter_for_everybody(), "-c", UNPRIVILEGED, str(source), hidden]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    if "cannot create namespaces" in done.stderr:
        pytest.skip("this kernel gives unprivileged users no user namespaces")
    assert done.stderr == ""
    raw, answers, message, span = json.loads(done.stdout)
    theirs, ours = KernelFacts.from_json(json.dumps(raw)), probe.measure()
    assert theirs.privileged is False
    assert span == [[1, 127]]
    # Of the groups this user's namespaces have one alone: the kernel's refusal says nothing about a pod.
    assert answers[:4] == ["accepted", "accepted", "absent", "unknown"]
    # Nothing is called absent that a pod has: what this user cannot see is not known.
    assert theirs.absent == ours.absent
    if theirs.release.startswith("6.18."):
        assert {hidden, "net.ipv6.route.gc_thresh"} <= set(theirs.hidden)
        assert (answers[4], "run as root" in message) == ("unknown", True)
    assert all(ours.facts[name].in_pod is InPod.OWN for name in theirs.hidden)
    assert all(ours.facts[name].namespace is theirs.facts[name].namespace for name in theirs.hidden)
    assert not [item for item in probe.disagreements(theirs) if item.name in theirs.hidden]


def test_kernel_facts_json_round_trips() -> None:
    """The recorded file gives the same facts back."""
    facts = KernelFacts("6.18.0", dict(list(probe.measure().facts.items())[:40]))
    assert KernelFacts.from_json(facts.to_json()) == facts


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"format": 2}', '{"format": 1, "release": "6", "privileged": true, "facts": {"a": 1}}']
)
def test_kernel_facts_other_text_is_refused(text: str) -> None:
    """Whatever is not such a file is our error."""
    with pytest.raises(CatalogueError):
        KernelFacts.from_json(text)


@pytest.mark.root
def test_prefix_rule_disagreements_hold_the_known_names(root: None) -> None:
    """Seventy names of net.* are not what the rule of every other tool says."""
    found = {item.name for item in probe.disagreements(probe.measure()) if item.by == "prefix rule"}
    assert {"net.core.rmem_max", "net.ipv4.tcp_mem", "net.core.default_qdisc"} <= found
    assert "net.core.somaxconn" not in found


@pytest.mark.root
@pytest.mark.parametrize(
    ("assignment", "answer", "number"),
    [
        ("net.core.somaxconn=1024", Answer.ACCEPTED, 0),
        ("net.ipv4.ip_local_port_range=32770   60666", Answer.ACCEPTED, 0),
        ("net.ipv4.conf.eth0/100.rp_filter=2", Answer.ACCEPTED, 0),
        ("kernel.msgmax=65536", Answer.ACCEPTED, 0),
        ("kernel.hostname=web", Answer.ACCEPTED, 0),
        ("net.ipv4.ip_local_port_range=1 70000", Answer.REFUSED, errno.EINVAL),
        ("net.ipv4.tcp_congestion_control=nonesuch", Answer.REFUSED, errno.ENOENT),
        ("net.ipv4.ip_default_ttl=0", Answer.REFUSED, errno.EINVAL),
        ("net.core.default_qdisc=fq", Answer.ABSENT, errno.ENOENT),
        ("net.ipv4.neigh.default.gc_thresh3=1", Answer.ABSENT, errno.ENOENT),
        ("vm.max_map_count=262144", Answer.NODE_LEVEL, errno.EPERM),
        ("net.core.nonesuch=1", Answer.UNKNOWN, errno.ENOENT),
    ],
)  # fmt: skip
def test_try_values_answer_and_errno(
    assignment: str, answer: Answer, number: int, root: None, unchanged_host: None
) -> None:
    """Each kind of answer, asked of the kernel, with the host left alone."""
    name, _, value = assignment.partition("=")
    (outcome,) = dry_run.try_values({parse_name(name): value})
    assert (outcome.answer, outcome.errno) == (answer, number)
    assert outcome.message


@pytest.mark.root
def test_try_values_order_is_kept_and_later_ones_see_earlier(root: None) -> None:
    """A port range that starts below the privileged ports is taken once these were lowered."""
    start, ports = parse_name("net.ipv4.ip_unprivileged_port_start"), parse_name("net.ipv4.ip_local_port_range")
    first = dry_run.try_values({ports: "500 60000"})
    both = dry_run.try_values({start: "0", ports: "500 60000"})
    assert [outcome.answer for outcome in first] == [Answer.REFUSED]
    assert [outcome.answer for outcome in both] == [Answer.ACCEPTED, Answer.ACCEPTED]


@pytest.mark.root
def test_find_range_numbers_and_words(root: None) -> None:
    """Bounds are found by asking; a parameter of words has none."""
    assert dry_run.find_range(parse_name("net.ipv4.tcp_syn_retries")) == [(1, 127)]
    assert dry_run.find_range(parse_name("net.ipv4.tcp_rmem")) == [(1, 2**31 - 1)] * 3
    # It takes a 1 and stays 0: only times kept in ticks may read back a little differently and still count as taken.
    assert dry_run.find_range(parse_name("kernel.auto_msgmni")) == [(0, 0)]
    with pytest.raises(KernelError, match="which are no numbers"):
        dry_run.find_range(parse_name("net.ipv4.tcp_congestion_control"))
    with pytest.raises(KernelError, match="no instance of its own"):
        dry_run.find_range(parse_name("vm.swappiness"))


def test_child_that_fails_is_an_error_of_ours() -> None:
    """What the child's interpreter says last reaches the user."""
    with pytest.raises(KernelError, match="the namespace child failed"):
        child.ask({"op": "read", "user": "/nonexistent", "names": []})


def namespaces_of_threads() -> set[str]:
    """The network namespaces of this process's threads."""
    found = set()
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError):
            found.add(os.readlink(f"/proc/self/task/{task}/ns/net"))
    return found


@pytest.mark.root
def test_namespaces_leave_nothing_behind(root: None) -> None:
    """Threads end, and with them their namespaces: this process is where it was."""
    before = {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in namespaces.THREAD_KINDS}
    namespaces.run_in_fresh(namespaces.THREAD_KINDS, lambda: None)
    assert {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in namespaces.THREAD_KINDS} == before
    deadline = time.monotonic() + 5
    while namespaces_of_threads() != {before["net"]}:  # the kernel ends a thread a moment after Python has
        assert time.monotonic() < deadline

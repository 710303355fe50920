"""What a pod shares with its host is not written, and is told as the host's."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from podsysctl.sysctls import catalogue
from podsysctl.sysctls.name import SysctlName

from .conftest import Run

SOMAXCONN = "net.core.somaxconn"


@pytest.fixture
def sharing_process() -> Iterator[Callable[..., int]]:
    """Starts processes that share with the host what `unshare` is not told."""
    if os.geteuid() != 0:
        pytest.skip("needs root: namespaces are made directly")
    started: list[subprocess.Popen[bytes]] = []

    def start(*flags: str) -> int:
        process = subprocess.Popen(["unshare", *flags, "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process.pid

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.root
@pytest.mark.parametrize(
    ("own", "assignment", "kind", "flag"),
    [
        (("--mount", "--propagation", "unchanged"), "net.core.somaxconn=321", "net", "hostNetwork"),
        (("--ipc", "--uts"), "net.unix.max_dgram_qlen=512", "net", "hostNetwork"),
        (("--net", "--uts"), "kernel.shmmni=4096", "ipc", "hostIPC"),
        (("--net", "--ipc"), "kernel.domainname=(none)", "uts", "hostNetwork"),
        (("--ipc", "--uts"), "net.core.nobody_knows=1", "net", "hostNetwork"),
    ],
)
def test_set_in_a_namespace_that_is_shared_with_the_host_is_refused(
    run: Run, sharing_process: Callable[..., int], own: tuple[str, ...], assignment: str, kind: str, flag: str
) -> None:
    """What a hostNetwork or hostIPC pod would write is the host's, with every command that writes and with --force."""
    name = assignment.partition("=")[0]
    pid = str(sharing_process(*own))
    before = run("sysctl", "-n", "-e", name).out
    for words in (("set", "--force", assignment), ("set", "--dry-run", assignment), ("-w", assignment)):
        done = run("sysctl", *words, "--pid", pid)
        assert done.code != 0
        assert f"{name}: process {pid} shares this host's {kind} namespace" in done.err
        assert "change this host" in done.err
    assert f"hint: with {flag}: true" in run("sysctl", "set", assignment, "--pid", pid).err
    assert run("sysctl", "-n", "-e", name).out == before


def test_set_in_the_hosts_own_network_namespace_is_refused(run: Run) -> None:
    """A namespace file of the host's, and a process of the host's, are the host."""
    for where in (("--netns", "/proc/self/ns/net"), ("--pid", str(os.getpid()))):
        done = run("sysctl", "set", "--dry-run", "net.core.somaxconn=1", *where)
        assert (done.code, done.out) == (2, "")
        assert "shares this host's net namespace" in done.err


@pytest.mark.root
def test_set_in_a_namespace_of_its_own_beside_a_shared_one_is_written(
    run: Run, sharing_process: Callable[..., int]
) -> None:
    """A hostNetwork pod still has IPC parameters of its own."""
    pid = str(sharing_process("--ipc"))
    assert run("sysctl", "set", "kernel.shmmni=4001", "--pid", pid) == (0, "kernel.shmmni = 4001\n", "")
    assert run("sysctl", "-n", "kernel.shmmni").out != "4001\n"


@pytest.mark.root
def test_set_of_a_file_that_is_the_hosts_is_refused_whatever_the_catalogue_says(
    run: Run, sharing_process: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row may speak of newer kernels than this one: the file in the pod decides."""
    find = catalogue.find

    def wrong(name: SysctlName | str) -> catalogue.Parameter | None:
        row = find(name)
        return None if row is None else replace(row, namespace=catalogue.Namespace.NET)

    monkeypatch.setattr(catalogue, "find", wrong)
    pid = str(sharing_process("--net", "--ipc", "--uts"))
    done = run("sysctl", "set", "--dry-run", "vm.swappiness=60", "--pid", pid)
    assert (done.code, done.out) == (2, "")
    assert f"vm.swappiness: this kernel shows process {pid} the file of this host" in done.err
    assert run("sysctl", "set", "--dry-run", f"{SOMAXCONN}=1", "--pid", pid).code == 0


@pytest.mark.root
def test_origin_in_a_shared_namespace_asks_the_hosts_files(run: Run, sharing_process: Callable[..., int]) -> None:
    """A fresh namespace has no say in what a hostNetwork pod sees."""
    pid = str(sharing_process("--ipc"))
    kinds = {
        layer["kind"]
        for layer in json.loads(run("sysctl", "origin", SOMAXCONN, "--pid", pid, "-o", "json").out)["layers"]
    }
    assert "fresh namespace" not in kinds
    own = json.loads(run("sysctl", "origin", "kernel.shmmni", "--pid", pid, "-o", "json").out)["layers"]
    assert "fresh namespace" in {layer["kind"] for layer in own}


def test_places_exclude_each_other(run: Run) -> None:
    """A command looks into one place, also when it would write."""
    for verb in (("get", SOMAXCONN), ("set", f"{SOMAXCONN}=1")):
        done = run("sysctl", *verb, "--pid", "1", "--netns", "x")
        assert done.code == 2
        assert "exclude each other" in done.err
